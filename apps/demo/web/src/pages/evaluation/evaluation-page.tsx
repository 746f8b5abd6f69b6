export default function EvaluationPage() {
  return (
    <div className="page">
      <h1>Evaluation</h1>
    </div>
  );
}
