import { InvalidMetricInputError } from '../errors.js';

/** Mean of at least one number. */
export function mean(values: readonly number[]): number {
  if (values.length === 0)
    throw new InvalidMetricInputError('values', 'an empty list', 'give at least one number');
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard error of the mean with the unbiased variance; 0 for a single value. */
export function standardError(values: readonly number[]): number {
  const center = mean(values);
  if (values.length === 1) return 0;
  const variance = values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1);
  return Math.sqrt(variance / values.length);
}

/** A small seeded generator (mulberry32): uniform in [0, 1), the same sequence for the same seed everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface BootstrapOptions {
  /** Default 1,000. */
  resamples?: number;
  /** Default 0. */
  seed?: number;
  /** Coverage of the interval, default 0.95. */
  confidence?: number;
}

export interface BootstrapResult {
  standardError: number;
  low: number;
  high: number;
}

/** Percentile bootstrap (Efron 1979) of any statistic of the items: resampled with replacement from a seed. */
export function bootstrap<T>(
  items: readonly T[],
  statistic: (sample: readonly T[]) => number,
  { resamples = 1000, seed = 0, confidence = 0.95 }: BootstrapOptions = {},
): BootstrapResult {
  if (items.length === 0)
    throw new InvalidMetricInputError('items', 'an empty list', 'give at least one item');
  const random = seededRandom(seed);
  const values = Array.from({ length: resamples }, () =>
    statistic(Array.from(items, () => items[Math.floor(random() * items.length)]!)),
  ).sort((a, b) => a - b);
  const center = mean(values);
  const at = (quantile: number) =>
    values[Math.min(resamples - 1, Math.max(0, Math.round(quantile * (resamples - 1))))]!;
  const variance = values.reduce((sum, value) => sum + (value - center) ** 2, 0) / Math.max(1, resamples - 1);
  return {
    standardError: Math.sqrt(variance),
    low: at((1 - confidence) / 2),
    high: at((1 + confidence) / 2),
  };
}

function checkPairs(a: readonly unknown[], b: readonly unknown[]): void {
  if (a.length === 0 || a.length !== b.length) {
    throw new InvalidMetricInputError(
      'b',
      `${b.length} entries`,
      `score the same items with both models (${a.length})`,
    );
  }
}

/**
 * McNemar's exact two-sided test on paired right/wrong outcomes: the chance, were both models equally good, of a
 * split of the disagreements at least as uneven as this one.
 */
export function mcNemar(
  a: readonly boolean[],
  b: readonly boolean[],
): { onlyA: number; onlyB: number; pValue: number } {
  checkPairs(a, b);
  const onlyA = a.filter((right, index) => right && !b[index]).length;
  const onlyB = b.filter((right, index) => right && !a[index]).length;
  const n = onlyA + onlyB;
  if (n === 0) return { onlyA, onlyB, pValue: 1 };
  // Two-sided binomial tail at one half, in logarithms so that thousands of items stay exact enough.
  let logChoose = 0;
  let tail = 0;
  for (let k = 0; k <= Math.min(onlyA, onlyB); k++) {
    if (k > 0) logChoose += Math.log((n - k + 1) / k);
    tail += Math.exp(logChoose - n * Math.LN2);
  }
  return { onlyA, onlyB, pValue: Math.min(1, 2 * tail) };
}

/** Paired permutation test of a difference in means: signs of the item differences are flipped at random. */
export function pairedPermutation(
  a: readonly number[],
  b: readonly number[],
  { resamples = 10_000, seed = 0 }: BootstrapOptions = {},
): { difference: number; pValue: number } {
  checkPairs(a, b);
  const differences = a.map((value, index) => value - b[index]!);
  const observed = mean(differences);
  const random = seededRandom(seed);
  let atLeast = 1; // the observed arrangement is one of the permutations
  for (let round = 0; round < resamples; round++) {
    let sum = 0;
    for (const difference of differences) sum += random() < 0.5 ? difference : -difference;
    if (Math.abs(sum / differences.length) >= Math.abs(observed) - 1e-12) atLeast += 1;
  }
  return { difference: observed, pValue: atLeast / (resamples + 1) };
}
