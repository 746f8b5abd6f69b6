export default function AlignmentPage() {
  return (
    <div className="page">
      <h1>Alignment</h1>
    </div>
  );
}
