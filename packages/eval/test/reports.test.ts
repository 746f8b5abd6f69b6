import { expect, it } from 'vitest';
import {
  compareReports,
  evaluate,
  type Report,
  reportHtml,
  reportMarkdown,
  reportTable,
} from '../src/index.js';
import { TinyLanguageModel } from './tiny-language-model.js';

const run = (): Promise<Report> =>
  evaluate(new TinyLanguageModel(), {
    tasks: ['mmlu_astronomy', 'mmlu_formal_logic', 'lambada_openai'],
    limit: 20,
    logSamples: true,
  });

it('prints every metric with its error, and the groups', async () => {
  const report = await run();
  for (const text of [reportTable(report), reportMarkdown(report), reportHtml(report)]) {
    expect(text).toContain('mmlu_astronomy');
    expect(text).toContain('perplexity');
    expect(text).toContain('±');
  }
  expect(reportMarkdown(report)).toContain('| mmlu | 2 | acc |');
});

it('the page is self-contained and escapes what models and data write', async () => {
  const report = await run();
  const hostile = structuredClone(report) as unknown as { tasks: { task: string }[] };
  hostile.tasks[0]!.task = '<script>alert(1)</script>';
  const html = reportHtml(hostile as unknown as Report);
  expect(html).not.toContain('<script>');
  expect(html).not.toMatch(/(src|href)=/u);
});

it('compares item by item, and only what is comparable', async () => {
  const a = await run();
  const same = compareReports(a, a);
  expect(same.every((row) => row.difference === 0 && row.pValue === 1)).toBe(true);
  const better = structuredClone(a) as unknown as {
    tasks: { samples: { promptHash: string; metrics: Record<string, number> }[] }[];
  };
  for (const sample of better.tasks[0]!.samples) sample.metrics.acc = 1;
  const row = compareReports(a, better as unknown as Report).find(
    (entry) => entry.task === 'mmlu_astronomy',
  )!;
  expect(row.difference).toBeGreaterThan(0.2);
  expect(row.pValue).toBeLessThan(0.01);
  expect(row.items).toBe(20);
  for (const sample of better.tasks[0]!.samples) sample.promptHash = 'other';
  const rest = compareReports(a, better as unknown as Report);
  expect(rest.some((entry) => entry.task === 'mmlu_astronomy')).toBe(false);
});
