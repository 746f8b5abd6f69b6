import { Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { NumberField, Slider, TextField } from '../../components/fields.js';
import { LineChart } from '../../components/line-chart.js';
import { fixed } from '../../lib/format.js';
import type { LabEvent, RuleSpec } from '../../lib/lab-types.js';
import { engine } from '../../worker/engine.js';
import { useAlignment } from './use-alignment.js';

const kinds: readonly { value: RuleSpec['kind']; label: string }[] = [
  { value: 'contains', label: 'contains' },
  { value: 'forbids', label: 'does not contain' },
  { value: 'length', label: 'has a length of' },
  { value: 'repetition', label: 'does not repeat itself' },
  { value: 'question', label: 'asks or exclaims' },
];

const newRule: RuleSpec = { kind: 'question', pattern: '', min: 20, max: 60, weight: 1 };

/** Rules and reward model on one side, PPO on the other, and what it does to the model. */
export function PolicyLab({ base, hasRewardModel }: { base: string; hasRewardModel: boolean }) {
  const [rules, setRules] = useState<readonly RuleSpec[]>([newRule]);
  const [prompts, setPrompts] = useState('ROMEO:\nJULIET:\nKING RICHARD:\nFirst Citizen:');
  const [modelWeight, setModelWeight] = useState(1);
  const [iterations, setIterations] = useState(12);
  const [episodes, setEpisodes] = useState(12);
  const [maxTokens, setMaxTokens] = useState(24);
  const [rate, setRate] = useState(5e-4);
  const [kl, setKl] = useState(0.02);
  const [compared, setCompared] = useState<{ before: string; after: string }>();
  const run = useAlignment();
  const rollouts = run.events.filter((event) => event.type === 'rollout');
  const series = (name: string) =>
    rollouts.flatMap(({ iteration, metrics }) => {
      const value = metrics[name];
      return value === undefined ? [] : [[iteration, value] as const];
    });
  const change = (at: number, part: Partial<RuleSpec>) =>
    setRules(rules.map((rule, index) => (index === at ? { ...rule, ...part } : rule)));
  const lines = prompts.split('\n').filter((line) => line.trim() !== '');

  const start = async () => {
    setCompared(undefined);
    await run.start({
      kind: 'ppo',
      base,
      prompts: lines,
      rules,
      rewardModelWeight: hasRewardModel ? modelWeight : 0,
      iterations,
      episodes,
      maxTokens,
      learningRate: rate,
      kl,
      seed: 1,
    });
    setCompared(await engine('alignment').compareAligned(lines[0]!, 7));
  };

  return (
    <div className="columns side-first">
      <div className="stack">
        <Card
          title="Reward"
          actions={
            <button type="button" className="button compact" onClick={() => setRules([...rules, newRule])}>
              <Plus size={15} aria-hidden />
              Rule
            </button>
          }
        >
          <ul className="stack tight" aria-label="Rules of the reward">
            {rules.map((rule, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a rule is its place
              <li key={at} className="rule">
                <div className="row tight">
                  <select
                    className="select compact grow"
                    aria-label={`Rule ${at + 1}`}
                    value={rule.kind}
                    onChange={(event) => change(at, { kind: event.target.value as RuleSpec['kind'] })}
                  >
                    {kinds.map(({ value, label }) => (
                      <option key={value} value={value}>
                        {label}
                      </option>
                    ))}
                  </select>
                  <button
                    type="button"
                    className="button quiet icon compact"
                    aria-label={`Remove rule ${at + 1}`}
                    onClick={() => setRules(rules.filter((_, index) => index !== at))}
                  >
                    <Trash2 size={14} aria-hidden />
                  </button>
                </div>
                {(rule.kind === 'contains' || rule.kind === 'forbids') && (
                  <input
                    className="input compact mono"
                    aria-label={`Pattern of rule ${at + 1}`}
                    placeholder="regular expression"
                    value={rule.pattern}
                    onChange={(event) => change(at, { pattern: event.target.value })}
                  />
                )}
                {rule.kind === 'length' && (
                  <div className="row tight">
                    {(['min', 'max'] as const).map((side) => (
                      <input
                        key={side}
                        type="number"
                        className="input compact grow"
                        aria-label={`${side === 'min' ? 'Least' : 'Most'} characters of rule ${at + 1}`}
                        value={rule[side]}
                        onChange={(event) => change(at, { [side]: event.target.valueAsNumber || 0 })}
                      />
                    ))}
                  </div>
                )}
                <Slider
                  label="Weight"
                  min={-2}
                  max={2}
                  step={0.1}
                  value={rule.weight}
                  onChange={(weight) => change(at, { weight })}
                  format={(value) => value.toFixed(1)}
                />
              </li>
            ))}
          </ul>
          {hasRewardModel ? (
            <Slider
              label="Weight of your reward model"
              min={0}
              max={2}
              step={0.1}
              value={modelWeight}
              onChange={setModelWeight}
              format={(value) => value.toFixed(1)}
            />
          ) : (
            <p className="small soft">Train a reward model in the first step to add it here.</p>
          )}
        </Card>
        <Card title="PPO">
          <div className="stack tight">
            <TextField label="Prompts, one a line" rows={4} value={prompts} onChange={setPrompts} mono />
            <Slider
              label="Iterations"
              min={1}
              max={60}
              step={1}
              value={iterations}
              onChange={setIterations}
            />
            <Slider label="Episodes each" min={4} max={48} step={4} value={episodes} onChange={setEpisodes} />
            <Slider
              label="Tokens an answer"
              min={4}
              max={48}
              step={2}
              value={maxTokens}
              onChange={setMaxTokens}
            />
            <Slider
              label="KL coefficient β"
              min={0}
              max={0.5}
              step={0.01}
              value={kl}
              onChange={setKl}
              format={(value) => value.toFixed(2)}
            />
            <NumberField
              label="Learning rate"
              min={0}
              step={0.0001}
              value={rate}
              onChange={(value) => value > 0 && setRate(value)}
            />
            {run.running ? (
              <button type="button" className="button" onClick={run.stop}>
                Stop
              </button>
            ) : (
              <button
                type="button"
                className="button primary"
                disabled={base === '' || lines.length === 0 || (rules.length === 0 && !hasRewardModel)}
                onClick={() => void start()}
              >
                Run PPO
              </button>
            )}
            {run.error !== undefined && <Problem error={run.error} />}
          </div>
        </Card>
      </div>
      <div className="stack">
        <Card
          title="What it does"
          actions={
            rollouts.length > 0 && (
              <span className="chip" role="status" data-testid="ppo-iterations">
                {rollouts.length} {rollouts.length === 1 ? 'iteration' : 'iterations'}
              </span>
            )
          }
        >
          <div className="charts">
            <LineChart
              title="Reward"
              xLabel="iteration"
              series={[{ label: 'reward', colour: 0, points: series('objective/scores') }]}
            />
            <LineChart
              title="KL from where it began, nats per answer"
              xLabel="iteration"
              series={[{ label: 'KL', colour: 1, points: series('objective/kl') }]}
            />
            <LineChart
              title="Reward against KL"
              xLabel="KL"
              series={[
                {
                  label: 'reward',
                  colour: 2,
                  dots: true,
                  points: rollouts.flatMap(({ metrics }) => {
                    const [x, y] = [metrics['objective/kl'], metrics['objective/scores']];
                    return x === undefined || y === undefined ? [] : [[x, y] as const];
                  }),
                },
              ]}
            />
            <LineChart
              title="Entropy, nats per token"
              xLabel="iteration"
              series={[{ label: 'entropy', colour: 3, points: series('policy/entropy_avg') }]}
            />
            <LineChart
              title="Length, tokens"
              xLabel="iteration"
              series={[{ label: 'length', colour: 4, points: series('completions/mean_length') }]}
            />
          </div>
        </Card>
        {compared && (
          <Card title="The same prompt before and after">
            <div className="pair">
              <figure>
                <figcaption className="small soft">before</figcaption>
                <pre className="sample">{compared.before}</pre>
              </figure>
              <figure>
                <figcaption className="small soft">after</figcaption>
                <pre className="sample">{compared.after}</pre>
              </figure>
            </div>
          </Card>
        )}
        <SampleTable rollouts={rollouts} />
      </div>
    </div>
  );
}

function SampleTable({ rollouts }: { rollouts: readonly Extract<LabEvent, { type: 'rollout' }>[] }) {
  const shown = rollouts.slice(-4).reverse();
  if (shown.length === 0) return null;
  return (
    <Card title="Samples">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section className="scroll-x" tabIndex={0} aria-label="Table of samples">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Iteration</th>
              <th scope="col">Prompt</th>
              <th scope="col">Answer</th>
              <th scope="col" className="number">
                Reward
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.flatMap(({ iteration, samples }) =>
              samples.slice(0, 3).map((sample, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: samples of an iteration do not change
                <tr key={`${iteration} ${at}`}>
                  <td className="number">{iteration}</td>
                  <td className="clip">{sample.prompt}</td>
                  <td className="wrap">{sample.completion}</td>
                  <td className="number">{fixed(sample.reward, 2)}</td>
                </tr>
              )),
            )}
          </tbody>
        </table>
      </section>
    </Card>
  );
}
