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
 * with L2 regularisation; full-batch gradient descent to convergence. `penalty` 50 equals scikit-learn's C = 0.02, about
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
  const rowOf = ({ chosen, rejected }: Comparison): [number, number][] => {
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
  const weights = new Float64Array(columns.size);
  const score = (row: readonly [number, number][]) =>
    row.reduce((sum, [column, value]) => sum + weights[column]! * value, 0);
  for (let step = 0; step < 300; step++) {
    const gradient = weights.map((weight) => weight * penalty);
    for (const row of rows) {
      const residual = 1 / (1 + Math.exp(score(row)));
      for (const [column, value] of row) gradient[column]! -= 2 * residual * value; // each pair also stands reversed
    }
    gradient.forEach((value, column) => {
      weights[column]! -= 0.004 * value;
    });
  }
  return heldOut.map((item) => score(rowOf(item)) > 0);
}
