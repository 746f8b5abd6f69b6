import { mcNemar, pairedPermutation } from '../metrics/statistics.js';
import type { Report } from '../report.js';

export interface Comparison {
  readonly task: string;
  readonly metric: string;
  readonly a: number;
  readonly b: number;
  /** b − a */
  readonly difference: number;
  /** Of the difference, on the items both runs share: McNemar's exact test for right/wrong, else permutations. */
  readonly pValue: number;
  readonly items: number;
}

/**
 * Compares two runs item by item. Only items with the same prompt count: another version, seed or number of shots makes
 * runs incomparable, and such tasks are left out.
 */
export function compareReports(a: Report, b: Report, { resamples = 10_000, seed = 0 } = {}): Comparison[] {
  return a.tasks.flatMap((left) => {
    const right = b.tasks.find((result) => result.task === left.task);
    if (!right) return [];
    const byPrompt = new Map(right.samples.map((sample) => [sample.promptHash, sample]));
    const pairs = left.samples.flatMap((sample) => {
      const other = byPrompt.get(sample.promptHash);
      return other ? [{ a: sample.metrics, b: other.metrics }] : [];
    });
    if (pairs.length === 0) return [];
    return Object.keys(left.metrics).flatMap((metric): Comparison[] => {
      const values = pairs.map((pair) => [pair.a[metric], pair.b[metric]] as const);
      if (values.some(([x, y]) => !Number.isFinite(x) || !Number.isFinite(y))) return [];
      const [x, y] = [values.map(([value]) => value!), values.map(([, value]) => value!)];
      const binary = [...x, ...y].every((value) => value === 0 || value === 1);
      const { pValue } = binary
        ? mcNemar(
            x.map((value) => value === 1),
            y.map((value) => value === 1),
          )
        : pairedPermutation(x, y, { resamples, seed });
      const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
      return [
        {
          task: left.task,
          metric,
          a: mean(x),
          b: mean(y),
          difference: mean(y) - mean(x),
          pValue,
          items: x.length,
        },
      ];
    });
  });
}
