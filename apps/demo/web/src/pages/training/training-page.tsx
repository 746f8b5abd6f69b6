export default function TrainingPage() {
  return (
    <div className="page">
      <h1>Training</h1>
    </div>
  );
}
