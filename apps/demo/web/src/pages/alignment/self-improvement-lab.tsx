import { useState } from 'react';
import { Card } from '../../components/card.js';
import { Loading, Problem } from '../../components/feedback.js';
import { Slider } from '../../components/fields.js';
import { LineChart } from '../../components/line-chart.js';
import { percent } from '../../lib/format.js';
import { useAlignment } from './use-alignment.js';

/** A small model that learns sums from its own majority votes. */
export function SelfImprovementLab() {
  const [rounds, setRounds] = useState(4);
  const [paths, setPaths] = useState(8);
  const [warmSteps, setWarmSteps] = useState(150);
  const run = useAlignment();
  const found = run.events.filter((event) => event.type === 'round');
  const notes = run.events.filter((event) => event.type === 'note');
  const share = (value: number | undefined) => (value === undefined ? '–' : percent(value, 0));
  const step = run.events.findLast((event) => event.type === 'step');
  return (
    <div className="columns side-first">
      <Card title="Self-improvement">
        <div className="stack tight">
          <p className="small soft">
            A model of two layers learns from 45 sums with answers. Then it sees sums without answers: it
            writes several paths for each, its own majority becomes the label, and it learns from those (Huang
            et al. 2022). Where the majority is wrong it learns its own mistakes: the curves show which way it
            goes.
          </p>
          <Slider
            label="Steps with answers"
            min={20}
            max={400}
            step={10}
            value={warmSteps}
            onChange={setWarmSteps}
          />
          <Slider label="Rounds" min={1} max={8} step={1} value={rounds} onChange={setRounds} />
          <Slider label="Paths a question" min={3} max={16} step={1} value={paths} onChange={setPaths} />
          {run.running ? (
            <button type="button" className="button" onClick={run.stop}>
              Stop
            </button>
          ) : (
            <button
              type="button"
              className="button primary"
              onClick={() => void run.start({ kind: 'improve', rounds, paths, warmSteps, seed: 1 })}
            >
              Improve
            </button>
          )}
          <div style={{ minHeight: '1.6rem' }}>
            {run.running && (
              <Loading>
                {notes.at(-1)?.text ?? 'Starting'}
                {found.length === 0 && step ? `, step ${step.step}` : ''}
              </Loading>
            )}
          </div>
          {run.error !== undefined && <Problem error={run.error} />}
        </div>
      </Card>
      <Card title="Rounds">
        <div className="stack tight">
          <div className="charts">
            <LineChart
              title="Right on sums it never saw answers of"
              xLabel="round"
              format={(value) => percent(value, 0)}
              series={[
                {
                  label: 'greedy',
                  colour: 0,
                  points: found.map(({ round, heldOutAccuracy = 0 }) => [round, heldOutAccuracy]),
                },
                {
                  label: 'majority',
                  colour: 1,
                  points: found.map(({ round, voteAccuracy = 0 }) => [round, voteAccuracy]),
                },
              ]}
            />
            <LineChart
              title="How sure the vote is"
              xLabel="round"
              series={[
                {
                  label: 'margin',
                  colour: 2,
                  points: found.map(({ round, voteMargin }) => [round, voteMargin]),
                },
              ]}
            />
          </div>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Round</th>
                <th scope="col" className="number">
                  Greedy
                </th>
                <th scope="col" className="number">
                  Majority
                </th>
                <th scope="col" className="number">
                  Questions kept
                </th>
                <th scope="col" className="number">
                  Examples
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((event) => (
                <tr key={event.round}>
                  <td>{event.round}</td>
                  <td className="number">{share(event.heldOutAccuracy)}</td>
                  <td className="number">{share(event.voteAccuracy)}</td>
                  <td className="number">{event.questionsKept}</td>
                  <td className="number">{event.examples}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {!run.running && found.length > 0 && notes.length > 0 && <p role="status">{notes.at(-1)!.text}</p>}
        </div>
      </Card>
    </div>
  );
}
