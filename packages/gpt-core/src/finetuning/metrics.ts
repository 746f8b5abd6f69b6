import { InvalidArgumentError } from '../errors.js';

/** Share of equal entries. */
export function accuracy(predicted: readonly number[], expected: readonly number[]): number {
  sameLength(predicted, expected);
  return predicted.filter((value, i) => value === expected[i]).length / predicted.length;
}

/** Harmonic mean of precision and recall of one class; 0 when it is neither predicted nor present. */
export function f1Score(predicted: readonly number[], expected: readonly number[], positive = 1): number {
  sameLength(predicted, expected);
  let both = 0;
  let said = 0;
  let is = 0;
  predicted.forEach((value, i) => {
    if (value === positive) said++;
    if (expected[i] === positive) is++;
    if (value === positive && expected[i] === positive) both++;
  });
  return said + is === 0 ? 0 : (2 * both) / (said + is);
}

/** Mean of the classes' F1 scores. */
export function macroF1(predicted: readonly number[], expected: readonly number[]): number {
  const classes = [...new Set([...predicted, ...expected])];
  return classes.reduce((sum, label) => sum + f1Score(predicted, expected, label), 0) / classes.length;
}

/**
 * Matthews correlation, generalised to any number of classes (Gorodkin 2004): the correlation of the two
 * one-hot codings. 0 when either side is constant.
 */
export function matthewsCorrelation(predicted: readonly number[], expected: readonly number[]): number {
  sameLength(predicted, expected);
  const classes = [...new Set([...predicted, ...expected])];
  const n = predicted.length;
  const count = (values: readonly number[], label: number) =>
    values.filter((value) => value === label).length;
  const said = classes.map((label) => count(predicted, label));
  const is = classes.map((label) => count(expected, label));
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const right = predicted.filter((value, i) => value === expected[i]).length;
  const scale = Math.sqrt((n * n - dot(said, said)) * (n * n - dot(is, is)));
  return scale === 0 ? 0 : (right * n - dot(said, is)) / scale;
}

/** Pearson correlation; 0 when either side is constant. */
export function pearsonCorrelation(predicted: readonly number[], expected: readonly number[]): number {
  sameLength(predicted, expected);
  const n = predicted.length;
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / n;
  const [x, y] = [mean(predicted), mean(expected)];
  let covariance = 0;
  let varianceX = 0;
  let varianceY = 0;
  predicted.forEach((value, i) => {
    const [dx, dy] = [value - x, expected[i]! - y];
    covariance += dx * dy;
    varianceX += dx * dx;
    varianceY += dy * dy;
  });
  return varianceX === 0 || varianceY === 0 ? 0 : covariance / Math.sqrt(varianceX * varianceY);
}

/** Pearson correlation of the ranks, ties sharing their mean rank. */
export function spearmanCorrelation(predicted: readonly number[], expected: readonly number[]): number {
  return pearsonCorrelation(ranks(predicted), ranks(expected));
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const out = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to + 1 < order.length && values[order[to + 1]!] === values[order[from]!]) to++;
    for (let i = from; i <= to; i++) out[order[i]!] = (from + to) / 2;
    from = to + 1;
  }
  return out;
}

function sameLength(a: readonly number[], b: readonly number[]): void {
  if (a.length !== b.length || a.length === 0)
    throw new InvalidArgumentError(
      'predicted',
      `${a.length} values`,
      `give as many as expected has (${b.length}), at least one`,
    );
}
