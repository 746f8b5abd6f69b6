import { useRef, useState } from 'react';
import { Card } from '../../components/card.js';
import { Loading, Note, Problem } from '../../components/feedback.js';
import { NumberField } from '../../components/fields.js';
import { LineChart, type LineSeries } from '../../components/line-chart.js';
import { PageHead } from '../../components/page-head.js';
import { saveFile } from '../../lib/files.js';
import { fixed } from '../../lib/format.js';
import { useModels } from '../../lib/models.js';
import { calibrationOf, type EvaluationReport, runEvaluation, tasks } from './evaluation-api.js';

interface Row {
  readonly model: string;
  readonly shots: number;
  readonly report: EvaluationReport;
}

export default function EvaluationPage() {
  const { models, error: noServer } = useModels();
  const usable = models.filter(({ kind }) => kind !== 'clip');
  const [chosenModels, setModels] = useState<readonly string[]>([]);
  const [chosenTasks, setTasks] = useState<readonly string[]>(['lambada_openai']);
  const [shots, setShots] = useState<readonly number[]>([0]);
  const [limit, setLimit] = useState(10);
  const [rows, setRows] = useState<readonly Row[]>([]);
  const [doing, setDoing] = useState<string>();
  const [error, setError] = useState<unknown>();
  const controller = useRef<AbortController>(undefined);
  const picked = chosenModels.filter((id) => usable.some((model) => model.id === id));
  const selected = picked.length > 0 ? picked : usable.slice(0, 1).map(({ id }) => id);
  const titleOf = (id: string) => models.find((model) => model.id === id)?.title ?? id;

  const run = async () => {
    setError(undefined);
    setRows([]);
    const abort = new AbortController();
    controller.current = abort;
    try {
      for (const model of selected)
        for (const count of shots) {
          const what = `${titleOf(model)}, ${count}-shot`;
          setDoing(what);
          const report = await runEvaluation(
            { model, tasks: chosenTasks, shots: count, limit },
            (done) => setDoing(`${what}: ${done}`),
            abort.signal,
          );
          setRows((before) => [...before, { model, shots: count, report }]);
        }
    } catch (problem) {
      if (!abort.signal.aborted) setError(problem);
    } finally {
      setDoing(undefined);
    }
  };

  const toggle = <T,>(list: readonly T[], value: T) =>
    list.includes(value) ? list.filter((other) => other !== value) : [...list, value];
  const curves = (task: string): LineSeries[] =>
    selected.map((model, colour) => ({
      label: titleOf(model),
      colour,
      points: rows
        .filter((row) => row.model === model)
        .flatMap((row) => {
          const result = row.report.tasks.find((entry) => entry.task === task);
          const metric = result && Object.values(result.metrics)[0];
          return metric ? [[row.shots, metric.value] as const] : [];
        }),
    }));
  const calibrated = rows.flatMap((row) =>
    row.report.tasks.flatMap((task) => {
      const points = calibrationOf(task);
      return points.length > 0
        ? [{ label: `${titleOf(row.model)}, ${task.task}, ${row.shots}-shot`, points }]
        : [];
    }),
  );

  return (
    <div className="page">
      <PageHead title="Evaluation">
        Run the benchmarks of the papers on the checkpoints here, compare models with their standard errors,
        and see what examples in the prompt are worth.
      </PageHead>
      {noServer !== undefined && (
        <Problem error={`Evaluation runs on the server, which does not answer (${noServer}).`} />
      )}
      <div className="columns side-first">
        <Card title="What to measure">
          <div className="stack">
            <fieldset className="stack tight">
              <legend>
                <h3>Models</h3>
              </legend>
              {usable.map((model) => (
                <label key={model.id} className="check">
                  <input
                    type="checkbox"
                    checked={selected.includes(model.id)}
                    onChange={() => setModels(toggle(selected, model.id))}
                  />
                  {model.title}
                </label>
              ))}
            </fieldset>
            <fieldset className="stack tight">
              <legend>
                <h3>Tasks</h3>
              </legend>
              {tasks.map(({ name, label }) => (
                <label key={name} className="check">
                  <input
                    type="checkbox"
                    checked={chosenTasks.includes(name)}
                    onChange={() => setTasks(toggle(chosenTasks, name))}
                  />
                  {label}
                </label>
              ))}
            </fieldset>
            <fieldset className="stack tight">
              <legend>
                <h3>Examples in the prompt</h3>
              </legend>
              <div className="row">
                {[0, 1, 2, 5].map((count) => (
                  <label key={count} className="check">
                    <input
                      type="checkbox"
                      checked={shots.includes(count)}
                      onChange={() => setShots(toggle(shots, count).toSorted((a, b) => a - b))}
                    />
                    {count}
                  </label>
                ))}
              </div>
            </fieldset>
            <NumberField
              label="Items per task"
              min={1}
              max={2_000}
              value={limit}
              onChange={(value) => value >= 1 && setLimit(Math.floor(value))}
            />
            {doing === undefined ? (
              <button
                type="button"
                className="button primary"
                disabled={selected.length === 0 || chosenTasks.length === 0 || shots.length === 0}
                onClick={() => void run()}
              >
                Evaluate
              </button>
            ) : (
              <button type="button" className="button" onClick={() => controller.current?.abort()}>
                Stop
              </button>
            )}
            <div style={{ minHeight: '1.6rem' }}>{doing !== undefined && <Loading>{doing}</Loading>}</div>
            {error !== undefined && <Problem error={error} />}
          </div>
        </Card>
        <div className="stack">
          <Card
            title="Results"
            actions={
              rows.length > 0 && (
                <button
                  type="button"
                  className="button compact"
                  onClick={() =>
                    saveFile('evaluation.json', JSON.stringify(rows, null, 2), 'application/json')
                  }
                >
                  Save as JSON
                </button>
              )
            }
          >
            {rows.length === 0 ? (
              <p className="soft">Nothing measured yet.</p>
            ) : (
              // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
              <section className="scroll-x" tabIndex={0} aria-label="Table of results">
                <table className="table">
                  <thead>
                    <tr>
                      <th scope="col">Task</th>
                      <th scope="col">Model</th>
                      <th scope="col" className="number">
                        Shots
                      </th>
                      <th scope="col">Metric</th>
                      <th scope="col" className="number">
                        Value
                      </th>
                      <th scope="col" className="number">
                        ± standard error
                      </th>
                      <th scope="col" className="number">
                        Items
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {rows.flatMap((row) =>
                      row.report.tasks.flatMap((task) =>
                        Object.entries(task.metrics).map(([name, metric]) => (
                          <tr key={`${row.model} ${row.shots} ${task.task} ${name}`}>
                            <td>{task.task}</td>
                            <td>{titleOf(row.model)}</td>
                            <td className="number">{row.shots}</td>
                            <td>{name}</td>
                            <td className="number">{fixed(metric.value)}</td>
                            <td className="number">
                              {metric.standardError === undefined ? '–' : fixed(metric.standardError)}
                            </td>
                            <td className="number">{task.items}</td>
                          </tr>
                        )),
                      ),
                    )}
                  </tbody>
                </table>
              </section>
            )}
          </Card>
          {rows.length > 0 && shots.length > 1 && (
            <Card title="What examples are worth">
              <div className="charts">
                {chosenTasks.map((task) => (
                  <LineChart key={task} title={task} series={curves(task)} xLabel="examples" />
                ))}
              </div>
            </Card>
          )}
          {calibrated.length > 0 && (
            <Card title="Calibration">
              <p className="small soft">
                Items by the probability of the chosen answer: on the diagonal, confidence is deserved.
              </p>
              <div className="charts">
                {calibrated.map(({ label, points }) => (
                  <LineChart
                    key={label}
                    title={label}
                    unit
                    xLabel="confidence"
                    series={[
                      {
                        label: 'deserved',
                        colour: 5,
                        points: [
                          [0, 0],
                          [1, 1],
                        ],
                      },
                      { label: 'accuracy', colour: 0, points, dots: true },
                    ]}
                  />
                ))}
              </div>
            </Card>
          )}
          <Note>
            The numbers agree with EleutherAI’s harness on the same model. Models of this size are near chance
            on most of these tasks: that is a result, too.
          </Note>
        </div>
      </div>
    </div>
  );
}
