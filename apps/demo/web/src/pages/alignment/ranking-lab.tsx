import { useState } from 'react';
import { Card } from '../../components/card.js';
import { Problem } from '../../components/feedback.js';
import { Slider, TextField } from '../../components/fields.js';
import { LineChart } from '../../components/line-chart.js';
import { saveFile } from '../../lib/files.js';
import { fixed, percent, visible } from '../../lib/format.js';
import type { RankingSpec } from '../../lib/lab-types.js';
import { engine } from '../../worker/engine.js';
import { type Ranked, RankingList } from './ranking-list.js';
import { useAlignment } from './use-alignment.js';

interface RankingLabProps {
  readonly base: string;
  readonly rankings: readonly RankingSpec[];
  readonly onRankings: (rankings: readonly RankingSpec[]) => void;
  readonly onTrained: () => void;
}

/** K answers to order by hand, and a reward model that learns the order. */
export function RankingLab({ base, rankings, onRankings, onTrained }: RankingLabProps) {
  const [prompt, setPrompt] = useState('What is a good way to start the day?');
  const [count, setCount] = useState(4);
  const [seed, setSeed] = useState(1);
  const [rendered, setRendered] = useState('');
  const [items, setItems] = useState<readonly Ranked[]>([]);
  const [sampling, setSampling] = useState(false);
  const [error, setError] = useState<unknown>();
  const run = useAlignment();

  const sample = async () => {
    setError(undefined);
    setSampling(true);
    try {
      const found = await engine('alignment').sampleAnswers(base, prompt, count, seed, 40);
      setRendered(found.prompt);
      setItems(found.answers.map((text, at) => ({ id: `${seed}-${at}`, text, tied: false })));
      setSeed(seed + 1);
    } catch (problem) {
      setError(problem);
    } finally {
      setSampling(false);
    }
  };

  const keep = () => {
    let rank = -1;
    const ranks = items.map(({ tied }, at) => {
      if (!(tied && at > 0)) rank++;
      return rank;
    });
    onRankings([...rankings, { prompt: rendered, completions: items.map(({ text }) => text), ranks }]);
    setItems([]);
  };

  const train = async () => {
    const done = await run.start({
      kind: 'reward',
      base,
      rankings,
      epochs: 20,
      learningRate: 1e-3,
      seed: 1,
    });
    if (done) onTrained();
  };

  const reports = run.events.filter((event) => event.type === 'rewards');
  const latest = reports.at(-1);
  const steps = run.events.filter((event) => event.type === 'step');

  return (
    <div className="stack">
      <div className="pair">
        <Card title="Rank the answers, best on top">
          <form
            className="stack tight"
            onSubmit={(event) => {
              event.preventDefault();
              void sample();
            }}
          >
            <TextField label="Prompt" value={prompt} onChange={setPrompt} />
            <Slider label="Answers (K)" min={2} max={9} step={1} value={count} onChange={setCount} />
            <div>
              <button
                type="submit"
                className="button primary"
                disabled={sampling || base === '' || prompt.trim() === ''}
              >
                {sampling ? 'Writing …' : 'Write answers'}
              </button>
            </div>
          </form>
          {error !== undefined && <Problem error={error} />}
          {items.length > 0 && (
            <div className="stack tight" style={{ marginTop: '0.9rem' }}>
              <RankingList items={items} onChange={setItems} />
              <div className="row">
                <button type="button" className="button" onClick={keep}>
                  Keep this ranking
                </button>
                <span className="small soft">
                  {(items.length * (items.length - 1)) / 2} comparisons in one go (Ouyang et al. 2022, §3.5)
                </span>
              </div>
            </div>
          )}
        </Card>
        <Card
          title="Reward model"
          actions={
            rankings.length > 0 && (
              <button
                type="button"
                className="button compact"
                onClick={() =>
                  saveFile(
                    'rankings.jsonl',
                    `${rankings.map((ranking) => JSON.stringify(ranking)).join('\n')}\n`,
                    'application/jsonl',
                  )
                }
              >
                Save rankings
              </button>
            )
          }
        >
          <div className="stack tight">
            <div className="row">
              <span role="status">
                {rankings.length} {rankings.length === 1 ? 'ranking' : 'rankings'} kept
              </span>
              {run.running ? (
                <button type="button" className="button" onClick={run.stop}>
                  Stop
                </button>
              ) : (
                <button
                  type="button"
                  className="button primary"
                  disabled={rankings.length === 0 || base === ''}
                  onClick={() => void train()}
                >
                  Train the reward model
                </button>
              )}
            </div>
            {run.error !== undefined && <Problem error={run.error} />}
            <div className="charts">
              <LineChart
                title="Loss: −log σ(better − worse)"
                series={[{ label: 'loss', colour: 1, points: steps.map(({ step, loss }) => [step, loss]) }]}
              />
              <LineChart
                title="Pairs in your order"
                series={[
                  {
                    label: 'accuracy',
                    colour: 0,
                    points: reports.map(({ step, accuracy }) => [step, accuracy]),
                  },
                ]}
                format={(value) => percent(value, 0)}
              />
            </div>
            {latest && (
              <div data-testid="reward-report">
                <p className="small soft" role="status">
                  After step {latest.step}: {percent(latest.accuracy, 0)} of the pairs stand in your order.
                </p>
                {rankings.map((ranking, at) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: rankings are only added
                  <table className="table" key={at}>
                    <caption className="small soft">{visible(ranking.prompt).slice(0, 90)}</caption>
                    <tbody>
                      {ranking.completions.map((completion, index) => (
                        // biome-ignore lint/suspicious/noArrayIndexKey: the order is the ranking
                        <tr key={index}>
                          <td className="number">{ranking.ranks[index]! + 1}</td>
                          <td className="clip">{completion}</td>
                          <td className="number">{fixed(latest.rewards[at]?.[index] ?? 0, 2)}</td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                ))}
              </div>
            )}
          </div>
        </Card>
      </div>
    </div>
  );
}
