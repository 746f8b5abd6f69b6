import { InvalidMetricInputError } from '../errors.js';

function check(predictions: readonly unknown[], labels: readonly unknown[]): void {
  if (predictions.length === 0 || predictions.length !== labels.length) {
    throw new InvalidMetricInputError(
      'labels',
      `${labels.length} entries`,
      `give one per prediction (${predictions.length}), at least one`,
    );
  }
}

/** Share of equal entries. */
export function accuracy<T>(predictions: readonly T[], labels: readonly T[]): number {
  check(predictions, labels);
  return predictions.filter((prediction, index) => prediction === labels[index]).length / labels.length;
}

/** F1 of the class `positive`; 0 when it is neither predicted nor present. */
export function f1Score<T>(predictions: readonly T[], labels: readonly T[], positive: T): number {
  check(predictions, labels);
  let [truePositives, predicted, present] = [0, 0, 0];
  predictions.forEach((prediction, index) => {
    if (prediction === positive) predicted += 1;
    if (labels[index] === positive) present += 1;
    if (prediction === positive && labels[index] === positive) truePositives += 1;
  });
  return predicted + present === 0 ? 0 : (2 * truePositives) / (predicted + present);
}

/**
 * Unweighted mean of the F1 of every class.
 *
 * @param classes default: those that are predicted or present
 */
export function macroF1<T>(
  predictions: readonly T[],
  labels: readonly T[],
  classes: readonly T[] = [...new Set([...predictions, ...labels])],
): number {
  check(predictions, labels);
  return classes.reduce((sum, label) => sum + f1Score(predictions, labels, label), 0) / classes.length;
}

/**
 * Matthews correlation coefficient, multi-class form (Gorodkin 2004): −1 to 1, and 0 for a constant prediction.
 */
export function matthewsCorrelation<T>(predictions: readonly T[], labels: readonly T[]): number {
  check(predictions, labels);
  const total = labels.length;
  const classes = [...new Set([...predictions, ...labels])];
  const count = (list: readonly T[], label: T) => list.filter((entry) => entry === label).length;
  const correct = accuracy(predictions, labels) * total;
  let [cross, predictedSquares, presentSquares] = [0, 0, 0];
  for (const label of classes) {
    const [predicted, present] = [count(predictions, label), count(labels, label)];
    cross += predicted * present;
    predictedSquares += predicted * predicted;
    presentSquares += present * present;
  }
  const scale = Math.sqrt((total * total - predictedSquares) * (total * total - presentSquares));
  return scale === 0 ? 0 : (correct * total - cross) / scale;
}
