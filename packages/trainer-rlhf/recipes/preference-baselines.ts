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
  const score = wordScores(training, penalty);
  const byLength = lengthBaseline(training, heldOut);
  return heldOut.map(({ chosen, rejected }, at) => {
    const margin = score(chosen) - score(rejected);
    return margin === 0 ? byLength[at]! : margin > 0;
  });
}

/** The score of an answer under that regression. */
export function wordScores(training: readonly Comparison[], penalty = 50): (answer: string) => number {
  const counts = new Map<string, number>();
  for (const { chosen, rejected } of training)
    for (const text of [chosen, rejected])
      for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const columns = new Map(
    [...counts].filter(([, count]) => count >= 3).map(([word], column) => [word, column]),
  );
  const known = (text: string) =>
    [...wordsOf(text)].flatMap((word) => (columns.has(word) ? [columns.get(word)!] : []));
  const rowOf = ({ chosen, rejected }: Comparison): Row => {
    const row = new Map<number, number>();
    for (const column of known(chosen)) row.set(column, 1);
    for (const column of known(rejected)) row.set(column, (row.get(column) ?? 0) - 1);
    return [...row].filter(([, value]) => value !== 0);
  };
  const weights = logisticWeights(training.map(rowOf), columns.size, penalty);
  return (answer) => known(answer).reduce((sum, column) => sum + weights[column]!, 0);
}

/** What a linear reward sees of one answer. */
export interface AnswerFeatures {
  readonly tokens: readonly number[];
  /** A model's hidden state at the end. */
  readonly hidden: ArrayLike<number>;
}

/**
 * The same regression on what a reward model with a linear path sees: an answer's tokens, each counting 1/√length, and
 * the hidden state at its end. Tokens of fewer than three answers stay out; channels are scaled to `share`, the standard
 * deviation of their differences.
 */
export function linearReward(
  pairs: readonly { readonly chosen: AnswerFeatures; readonly rejected: AnswerFeatures }[],
  vocabSize: number,
  { penalty = 10, share = 0.32 } = {},
): { tokens: Float64Array; hidden: Float64Array } {
  const counts = new Int32Array(vocabSize);
  for (const { chosen, rejected } of pairs)
    for (const { tokens } of [chosen, rejected]) for (const token of new Set(tokens)) counts[token]!++;
  const channels = pairs[0]!.chosen.hidden.length;
  const differences = pairs.map(({ chosen, rejected }) =>
    Float64Array.from({ length: channels }, (_, at) => chosen.hidden[at]! - rejected.hidden[at]!),
  );
  const scales = Array.from({ length: channels }, (_, at) => {
    const square = differences.reduce((sum, row) => sum + row[at]! ** 2, 0);
    return share / Math.sqrt(square / pairs.length);
  });
  const rows = pairs.map(({ chosen, rejected }, index) => {
    const row = new Map<number, number>();
    for (const [{ tokens }, sign] of [
      [chosen, 1],
      [rejected, -1],
    ] as const)
      for (const token of tokens)
        if (counts[token]! >= 3) row.set(token, (row.get(token) ?? 0) + sign / Math.sqrt(tokens.length));
    differences[index]!.forEach((value, at) => {
      row.set(vocabSize + at, value * scales[at]!);
    });
    return [...row];
  });
  const weights = logisticWeights(rows, vocabSize + channels, penalty);
  return {
    tokens: weights.slice(0, vocabSize),
    hidden: weights.slice(vocabSize).map((weight, at) => weight * scales[at]!),
  };
}

/** L2-regularised logistic regression without intercept; every row is a difference that should be positive. */
function logisticWeights(rows: readonly Row[], columns: number, penalty: number): Float64Array {
  const product = (row: Row, vector: Float64Array) =>
    row.reduce((sum, [column, value]) => sum + vector[column]! * value, 0);
  const weights = new Float64Array(columns);
  // Nesterov's method; the curvature lies between `penalty` and `penalty` + λ/2, λ the largest eigenvalue of XᵀX.
  const steepest = penalty + largestEigenvalue(rows, columns, product) / 2;
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
  return weights;
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
