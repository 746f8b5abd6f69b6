import type { Comparison } from './preference-data.js';

/** Prefers the longer answer, or the shorter one, whichever the training comparisons favour. */
export function lengthBaseline(training: readonly Comparison[], heldOut: readonly Comparison[]): boolean[] {
  const longer = ({ chosen, rejected }: Comparison) => chosen.length > rejected.length;
  const preferLonger = training.filter(longer).length * 2 > training.length;
  return heldOut.map((item) => (preferLonger ? longer(item) : item.chosen.length < item.rejected.length));
}

const wordsOf = (text: string) => new Set(text.toLowerCase().match(/\b\w\w+\b/gu) ?? []);

/**
 * Logistic regression on which words occur in one answer and not in the other (words of at least three training answers),
 * with L2 regularisation, to convergence. `penalty` 50 equals scikit-learn's C = 0.02, about
 * the best of several on this data: the strongest form of the baseline.
 */
export function bagOfWordsBaseline(
  training: readonly Comparison[],
  heldOut: readonly Comparison[],
  penalty = 50,
): boolean[] {
  const counts = new Map<string, number>();
  for (const { chosen, rejected } of training)
    for (const text of [chosen, rejected])
      for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const columns = new Map(
    [...counts].filter(([, count]) => count >= 3).map(([word], column) => [word, column]),
  );
  const rowOf = ({ chosen, rejected }: Comparison): Row => {
    const row = new Map<number, number>();
    for (const [text, sign] of [
      [chosen, 1],
      [rejected, -1],
    ] as const)
      for (const word of wordsOf(text)) {
        const column = columns.get(word);
        if (column !== undefined) row.set(column, (row.get(column) ?? 0) + sign);
      }
    return [...row].filter(([, value]) => value !== 0);
  };
  const rows = training.map(rowOf);
  const product = (row: Row, vector: Float64Array) =>
    row.reduce((sum, [column, value]) => sum + vector[column]! * value, 0);
  const weights = new Float64Array(columns.size);
  // Nesterov's method; the curvature lies between `penalty` and `penalty` + λ/2, λ the largest eigenvalue of XᵀX.
  const steepest = penalty + largestEigenvalue(rows, columns.size, product) / 2;
  const root = Math.sqrt(steepest / penalty);
  const momentum = (root - 1) / (root + 1);
  let ahead = weights.slice();
  for (let step = 0; step < 200; step++) {
    const gradient = ahead.map((weight) => weight * penalty);
    for (const row of rows) {
      const residual = 1 / (1 + Math.exp(product(row, ahead)));
      for (const [column, value] of row) gradient[column]! -= 2 * residual * value; // each pair also stands reversed
    }
    const before = weights.slice();
    weights.forEach((_, column) => {
      weights[column] = ahead[column]! - gradient[column]! / steepest;
    });
    ahead = weights.map((weight, column) => weight + momentum * (weight - before[column]!));
  }
  const byLength = lengthBaseline(training, heldOut);
  return heldOut.map((item, at) => {
    const score = product(rowOf(item), weights);
    return score === 0 ? byLength[at]! : score > 0;
  });
}

type Row = readonly (readonly [column: number, value: number])[];

/** Of XᵀX, by power iteration. */
function largestEigenvalue(
  rows: readonly Row[],
  columns: number,
  product: (row: Row, vector: Float64Array) => number,
): number {
  let vector = new Float64Array(columns).fill(1 / Math.sqrt(columns));
  let eigenvalue = 0;
  for (let step = 0; step < 50; step++) {
    const next = new Float64Array(columns);
    for (const row of rows) {
      const length = product(row, vector);
      for (const [column, value] of row) next[column]! += length * value;
    }
    eigenvalue = Math.hypot(...next);
    vector = next.map((value) => value / eigenvalue);
  }
  return eigenvalue * 1.05; // power iteration comes from below
}
