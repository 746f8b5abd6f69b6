export default function VisionPage() {
  return (
    <div className="page">
      <h1>Vision</h1>
    </div>
  );
}
