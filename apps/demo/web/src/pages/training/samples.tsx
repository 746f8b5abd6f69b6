import { useState } from 'react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { TextField } from '../../components/fields.js';
import { type Run, sampleRun } from '../../lib/runs.js';

/** What the models wrote on the way, and what they write when asked. */
export function Samples({ runs }: { runs: readonly Run[] }) {
  const [prompt, setPrompt] = useState('Alice was ');
  const [written, setWritten] = useState<Record<string, string>>({});
  const [error, setError] = useState<unknown>();
  const [seed, setSeed] = useState(1);

  const ask = async () => {
    setError(undefined);
    setSeed(seed + 1);
    for (const run of runs) {
      if (run.place !== 'browser' || run.status === 'failed' || !run.shown) continue;
      try {
        const text = await sampleRun(run.id, prompt, seed);
        if (text !== undefined) setWritten((before) => ({ ...before, [run.id]: prompt + text }));
      } catch (problem) {
        setError(problem);
      }
    }
  };

  return (
    <Card title="Samples">
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <div className="grow">
          <TextField label="Continue" value={prompt} onChange={setPrompt} mono />
        </div>
        <button type="submit" className="button" style={{ alignSelf: 'end' }}>
          Write
        </button>
      </form>
      {error !== undefined && <Problem error={error} />}
      <div className="samples">
        {runs
          .filter(({ shown }) => shown)
          .map((run) => {
            const events = run.events.filter((event) => event.type === 'sample');
            return (
              <section key={run.id} aria-label={`Samples of ${run.name}`}>
                <h3 className="row tight">
                  <span className="legend-dot" style={{ background: `var(--series-${run.colour % 6})` }} />
                  {run.name}
                </h3>
                {written[run.id] !== undefined && <pre className="sample">{written[run.id]}</pre>}
                {events
                  .slice(-4)
                  .reverse()
                  .map((event) => (
                    <figure key={event.step}>
                      <figcaption className="small soft">after step {event.step}</figcaption>
                      <pre className="sample">{event.text}</pre>
                    </figure>
                  ))}
                {events.length === 0 && <p className="small soft">Nothing written yet.</p>}
              </section>
            );
          })}
      </div>
    </Card>
  );
}
