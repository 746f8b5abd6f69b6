import { createHash } from 'node:crypto';
import type { ContaminationReport } from './contamination/contamination-report.js';
import { aggregate } from './kinds/aggregate.js';
import type { ItemContext, ScoredItem } from './kinds/scored-item.js';
import { brierScore, calibration } from './metrics/calibration.js';
import type { CleanSubset, TaskCalibration, TaskResult } from './report.js';
import type { TaskDefinition } from './tasks/task.js';
import { resolveText } from './tasks/template.js';

export interface TaskResultOptions {
  readonly shots: number;
  readonly exampleSplit?: string;
  readonly seed: number;
  readonly bootstrapResamples: number;
  readonly logSamples?: boolean;
  readonly contamination?: ContaminationReport;
}

const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** What a task's scored items come to. */
export function taskResult(
  task: TaskDefinition,
  contexts: readonly ItemContext[],
  scored: readonly ScoredItem[],
  options: TaskResultOptions,
): TaskResult {
  const { shots, seed, bootstrapResamples: resamples, logSamples = false } = options;
  const statistics = (items: readonly ScoredItem[]) => aggregate(items, { resamples, seed });
  const names =
    task.category === undefined
      ? undefined
      : contexts.map(({ doc }) => resolveText(task.category!, doc, task.name));
  const samples = scored.map((item, index) => ({
    index,
    promptHash: shortHash(item.prompt),
    metrics: Object.fromEntries(
      Object.entries(item.metrics)
        .filter(([, metric]) => Number.isFinite(metric.perItem))
        .map(([name, metric]) => [name, metric.perItem]),
    ),
    ...(names ? { category: names[index]! } : {}),
    ...(logSamples ? { prompt: item.prompt, target: item.target, outputs: item.outputs } : {}),
  }));
  const overlap = options.contamination?.tasks[task.name];
  const chances = calibrationOf(scored);
  return {
    task: task.name,
    title: task.title,
    version: task.version,
    shots,
    ...(shots > 0 && options.exampleSplit ? { exampleSplit: options.exampleSplit } : {}),
    items: scored.length,
    seed,
    metrics: statistics(scored),
    truncated: scored.filter((item) => item.truncated).length,
    promptsHash: shortHash(scored.map((item) => item.prompt).join('\u0000')),
    ...(names ? { categories: byCategory(names, scored, statistics) } : {}),
    ...(chances ? { calibration: chances } : {}),
    ...(overlap ? { contamination: cleanSubset(scored, overlap, statistics) } : {}),
    samples,
  };
}

type Statistics = (items: readonly ScoredItem[]) => TaskResult['metrics'];

function byCategory(
  names: readonly string[],
  scored: readonly ScoredItem[],
  statistics: Statistics,
): NonNullable<TaskResult['categories']> {
  return Object.fromEntries(
    [...new Set(names)].sort().map((name) => {
      const items = scored.filter((_, index) => names[index] === name);
      return [name, { items: items.length, metrics: statistics(items) }];
    }),
  );
}

function calibrationOf(scored: readonly ScoredItem[]): TaskCalibration | undefined {
  const rows = scored.flatMap(({ probabilities }) => probabilities ?? []);
  if (rows.length === 0) return undefined;
  const best = rows.map(({ values }) => values.indexOf(Math.max(...values)));
  return {
    ...calibration(
      rows.map(({ values }, index) => Math.min(1, values[best[index]!]!)),
      rows.map(({ target }, index) => best[index] === target),
    ),
    brier: brierScore(
      rows.map(({ values }) => values),
      rows.map(({ target }) => target),
    ),
  };
}

function cleanSubset(
  scored: readonly ScoredItem[],
  overlap: ContaminationReport['tasks'][string],
  statistics: Statistics,
): CleanSubset {
  const count = (indices: readonly number[]) => indices.filter((index) => index < scored.length).length;
  const clean = overlap.clean.flatMap((index) => scored[index] ?? []);
  return {
    n: overlap.n,
    clean: clean.length,
    dirty: count(overlap.dirty),
    tooShort: count(overlap.tooShort),
    metrics: clean.length > 0 ? statistics(clean) : {},
  };
}
