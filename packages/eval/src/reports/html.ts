import { headline, type Report, type TaskResult } from '../report.js';
import { arrow, number, withError } from './format.js';
import { barPlot } from './plots/bars.js';
import { linePlot, type Series } from './plots/lines.js';
import { reliabilityPlot } from './plots/reliability.js';
import { escapeHtml } from './plots/svg.js';

const STYLE = `
:root{color-scheme:light dark;--bar:#2f6fde;--line:light-dark(#0003,#fff3)}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
figure{margin:1rem 0;display:inline-block;width:100%}.small figure{width:18rem;vertical-align:top}figcaption{font-size:13px;opacity:.75}
svg{width:100%;font-size:13px;fill:currentColor}svg rect:not(.key){fill:var(--bar)}svg line{stroke:currentColor;stroke-width:2}
svg line.grid{stroke:var(--line);stroke-width:1}
pre{white-space:pre-wrap;overflow-wrap:anywhere}article{border-bottom:1px solid var(--line)}`;

const isShare = (value: number) => value >= 0 && value <= 1;

/** A report, or several to be seen together, as one self-contained page: no script, no network. */
export function reportHtml(input: Report | readonly Report[]): string {
  const reports = Array.isArray(input) ? (input as readonly Report[]) : [input as Report];
  const title = `Evaluation of ${[...new Set(reports.map(({ model }) => model))].join(', ')}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
${byShots(reports)}${bySize(reports)}
${reports.map((report) => section(report, reports.length > 1)).join('\n')}
</body></html>
`;
}

function section(report: Report, named: boolean): string {
  const { options, versions } = report;
  const facts = {
    tokenizer: report.tokenizer,
    'model hash': report.modelIdentity,
    parameters: report.parameters?.toLocaleString('en-US'),
    seed: options?.seed,
    shots: options?.shots,
    limit: options?.limit,
    ...versions,
  };
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return `<section>${named ? `<h2>${escapeHtml(report.model)}</h2>` : ''}
<p>${known.map(([name, value]) => `${escapeHtml(name)} <code>${escapeHtml(String(value))}</code>`).join(' · ')}</p>
${barPlot('Headline metric of each task, one standard error', headlineBars(report.tasks))}
${metricTable(report.tasks)}
${groupTable(report)}
${contaminationTable(report.tasks)}
${report.tasks.map(categoryPlot).join('')}
<div class="small">${report.tasks.map(calibrationPlot).join('')}</div>
${report.tasks.map(samples).join('')}</section>`;
}

const headlineBars = (results: readonly TaskResult[]) =>
  results.flatMap((result) => {
    const [, { value, standardError }] = headline(result);
    return isShare(value) ? [{ label: result.task, value, standardError }] : [];
  });

const row = (cells: readonly (string | number)[]) =>
  `<tr>${cells.map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join('')}</tr>`;

const table = (heads: readonly string[], rows: readonly string[]) =>
  rows.length === 0
    ? ''
    : `<table><thead><tr>${heads.map((head) => `<th>${escapeHtml(head)}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;

const metricTable = (results: readonly TaskResult[]) =>
  table(
    ['task', 'shots', 'items', 'metric', 'value ± stderr'],
    results.flatMap(({ task, shots, items, metrics }) =>
      Object.entries(metrics).map(([name, metric]) =>
        row([task, shots, items, `${name} ${arrow(metric)}`, withError(metric)]),
      ),
    ),
  );

/** Of each group: its means, and its tasks side by side. */
function groupTable({ groups }: Report): string {
  const rows = Object.entries(groups).map(([name, { tasks, metric, macro, micro }]) =>
    row([name, tasks, metric, number(macro), number(micro)]),
  );
  const bars = Object.entries(groups).flatMap(([label, { macro }]) =>
    isShare(macro) ? [{ label, value: macro }] : [],
  );
  return `${table(['group', 'tasks', 'metric', 'mean of tasks', 'mean of items'], rows)}${barPlot('Groups of tasks, mean of tasks', bars)}`;
}

const contaminationTable = (results: readonly TaskResult[]) =>
  table(
    ['task', 'overlapping items', 'clean items', 'metric', 'all', 'clean only'],
    results.flatMap((result) => {
      const { contamination } = result;
      const [name, all] = headline(result);
      const clean = contamination?.metrics[name];
      if (!contamination) return [];
      return row([
        result.task,
        contamination.dirty,
        contamination.clean,
        name,
        withError(all),
        clean ? withError(clean) : '–',
      ]);
    }),
  );

function categoryPlot(result: TaskResult): string {
  if (!result.categories) return '';
  const [name] = headline(result);
  const bars = Object.entries(result.categories).flatMap(([label, { metrics }]) => {
    const metric = metrics[name];
    return metric && isShare(metric.value)
      ? [{ label, value: metric.value, standardError: metric.standardError }]
      : [];
  });
  return barPlot(`${result.task}: ${name} by category`, bars);
}

const calibrationPlot = ({ task, calibration }: TaskResult): string =>
  calibration
    ? reliabilityPlot(
        `${task}: accuracy by confidence, calibration error ${number(calibration.expectedCalibrationError)}, Brier ${number(calibration.brier)}`,
        calibration.bins,
      )
    : '';

/** One line per model and task, where a task was run with several numbers of shots. */
function byShots(reports: readonly Report[]): string {
  const series = new Map<string, Series>();
  for (const { model, tasks } of reports) {
    for (const result of tasks) {
      const [name, { value, standardError }] = headline(result);
      const label = reports.some((other) => other.model !== model) ? `${result.task}, ${model}` : result.task;
      const entry = series.get(`${label} ${name}`) ?? { label, points: [] };
      series.set(`${label} ${name}`, {
        label,
        points: [...entry.points, { x: result.shots, y: value, standardError }],
      });
    }
  }
  return linePlot('Headline metric by number of examples in the prompt', [...series.values()], {
    xLabel: 'shots',
    yLabel: 'score',
  });
}

/** One line per task and number of shots, where models of several sizes were run. */
function bySize(reports: readonly Report[]): string {
  const series = new Map<string, Series>();
  for (const { parameters, tasks } of reports) {
    if (parameters === undefined) continue;
    for (const result of tasks) {
      const { value, standardError } = headline(result)[1];
      const label = `${result.task}, ${result.shots} shots`;
      const points = series.get(label)?.points ?? [];
      series.set(label, { label, points: [...points, { x: parameters, y: value, standardError }] });
    }
  }
  return linePlot('Headline metric by model size', [...series.values()], {
    xLabel: 'parameters',
    yLabel: 'score',
    logX: true,
  });
}

const samples = (result: TaskResult): string =>
  result.samples.some((sample) => sample.prompt !== undefined)
    ? `<details><summary>${escapeHtml(result.task)}: ${result.samples.length} samples</summary>${result.samples
        .map(
          (sample) =>
            `<article><pre>${escapeHtml(sample.prompt ?? '')}</pre><p>target <code>${escapeHtml(sample.target ?? '')}</code></p><pre>${escapeHtml(JSON.stringify(sample.outputs, null, 1))}</pre></article>`,
        )
        .join('')}</details>`
    : '';
