export default function AttentionPage() {
  return (
    <div className="page">
      <h1>Attention</h1>
    </div>
  );
}
