import type { Report, TaskResult } from '../report.js';
import { headline } from '../report.js';
import { arrow, number, withError } from './format.js';

const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/gu, (character) => `&#${character.codePointAt(0)};`);

/** Bars of the headline metrics that lie between 0 and 1, with one standard error as a whisker. */
function bars(results: readonly TaskResult[]): string {
  const rows = results.filter((result) => {
    const { value } = headline(result)[1];
    return value >= 0 && value <= 1;
  });
  if (rows.length === 0) return '';
  const [label, width, step] = [220, 460, 26];
  const body = rows.map((result, index) => {
    const [name, { value, standardError = 0 }] = headline(result);
    const y = index * step;
    const x = label + value * width;
    const [low, high] = [Math.max(0, value - standardError), Math.min(1, value + standardError)];
    return `<g><title>${escapeHtml(`${result.task} ${name} ${number(value)}`)}</title>
<text x="${label - 8}" y="${y + 16}" text-anchor="end">${escapeHtml(result.task)}</text>
<rect x="${label}" y="${y + 4}" width="${Math.max(1, value * width)}" height="16" rx="3"/>
<line x1="${label + low * width}" x2="${label + high * width}" y1="${y + 12}" y2="${y + 12}"/>
<text x="${Math.max(x, label + high * width) + 6}" y="${y + 16}">${number(value)}</text></g>`;
  });
  return `<svg role="img" aria-label="Headline metric of each task" viewBox="0 0 ${label + width + 80} ${rows.length * step}">${body.join('')}</svg>`;
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

/** The report as one self-contained page: no script, no network. */
export function reportHtml(report: Report): string {
  const rows = report.tasks.flatMap((result) =>
    Object.entries(result.metrics).map(
      ([name, metric]) =>
        `<tr><td>${escapeHtml(result.task)}</td><td>${result.shots}</td><td>${result.items}</td><td>${escapeHtml(name)} ${arrow(metric)}</td><td>${withError(metric)}</td></tr>`,
    ),
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evaluation of ${escapeHtml(report.model)}</title>
<style>
:root{color-scheme:light dark;--bar:#2f6fde;--line:light-dark(#0003,#fff3)}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
svg{width:100%;font-size:13px;fill:currentColor}svg rect{fill:var(--bar)}svg line{stroke:currentColor;stroke-width:2}
pre{white-space:pre-wrap;overflow-wrap:anywhere}article{border-bottom:1px solid var(--line)}
</style></head><body>
<h1>Evaluation of ${escapeHtml(report.model)}</h1>
${bars(report.tasks)}
<table><thead><tr><th>task</th><th>shots</th><th>items</th><th>metric</th><th>value ± stderr</th></tr></thead><tbody>${rows.join('')}</tbody></table>
${report.tasks.map(samples).join('')}
</body></html>
`;
}
