import { Pause, Play, Square, Trash2 } from 'lucide-react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { compact, count, duration, fixed } from '../../lib/format.js';
import { controlRun, type Run, removeRun, showRun } from '../../lib/runs.js';

const words: Record<Run['status'], string> = {
  starting: 'starting',
  running: 'running',
  paused: 'paused',
  done: 'finished',
  stopped: 'stopped',
  failed: 'failed',
};

export function RunList({ runs }: { runs: readonly Run[] }) {
  return (
    <Card title="Runs">
      {runs.length === 0 ? (
        <p className="soft">No run yet.</p>
      ) : (
        <ul className="run-list">
          {runs.map((run) => (
            <RunRow key={run.id} run={run} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function RunRow({ run }: { run: Run }) {
  const step = run.events.findLast((event) => event.type === 'step');
  const begin = run.events.find((event) => event.type === 'start');
  const note = run.events.find((event) => event.type === 'note');
  const active = run.status === 'running' || run.status === 'paused' || run.status === 'starting';
  const kind = { pretrain: 'pretraining', finetune: 'fine-tuning', lora: 'LoRA' }[run.spec.kind];
  return (
    <li aria-label={run.name}>
      <div className="row between">
        <label className="check">
          <input
            type="checkbox"
            checked={run.shown}
            aria-label={`Show ${run.name} in the curves`}
            onChange={(event) => showRun(run.id, event.target.checked)}
          />
          <span className="legend-dot" style={{ background: `var(--series-${run.colour % 6})` }} />
          <strong>{run.name}</strong>
          <span className="small soft">
            {kind}, {run.place === 'browser' ? 'in this page' : 'server'}
            {begin?.type === 'start' && `, ${compact(begin.parameters)} parameters`}
          </span>
        </label>
        <span className="row tight">
          <span className="chip" role="status">
            {words[run.status]}
          </span>
          {run.status === 'running' && (
            <button
              type="button"
              className="button icon compact"
              aria-label={`Pause ${run.name}`}
              onClick={() => controlRun(run.id, 'pause')}
            >
              <Pause size={14} aria-hidden />
            </button>
          )}
          {run.status === 'paused' && (
            <button
              type="button"
              className="button icon compact"
              aria-label={`Go on with ${run.name}`}
              onClick={() => controlRun(run.id, 'resume')}
            >
              <Play size={14} aria-hidden />
            </button>
          )}
          {active ? (
            <button
              type="button"
              className="button icon compact"
              aria-label={`Stop ${run.name}`}
              onClick={() => controlRun(run.id, 'stop')}
            >
              <Square size={13} aria-hidden />
            </button>
          ) : (
            <button
              type="button"
              className="button icon compact"
              aria-label={`Remove ${run.name}`}
              onClick={() => removeRun(run.id)}
            >
              <Trash2 size={14} aria-hidden />
            </button>
          )}
        </span>
      </div>
      <progress
        className="progress"
        aria-label={`Progress of ${run.name}`}
        value={step?.step ?? 0}
        max={run.spec.steps}
      />
      <p className="small soft number run-numbers">
        {step
          ? `step ${count(step.step)} of ${count(run.spec.steps)} · loss ${fixed(step.loss)} · ${count(step.tokensPerSecond)} tokens/s${active ? ` · ${duration(step.etaMs)} left` : ''}`
          : 'waiting for the first step'}
      </p>
      {note && <p className="small soft">{note.text}</p>}
      {run.error !== undefined && <Problem error={run.error} />}
    </li>
  );
}
