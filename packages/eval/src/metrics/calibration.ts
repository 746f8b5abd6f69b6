import { InvalidMetricInputError } from '../errors.js';

export interface CalibrationBin {
  /** Exclusive. */
  low: number;
  /** Inclusive. */
  high: number;
  count: number;
  /** `undefined` in an empty bin. */
  accuracy: number | undefined;
  /** Mean confidence; `undefined` in an empty bin. */
  confidence: number | undefined;
}

export interface CalibrationReport {
  /** Σ (count / total) |accuracy − confidence| */
  expectedCalibrationError: number;
  /** The largest gap of any bin. */
  maximumCalibrationError: number;
  bins: CalibrationBin[];
}

/**
 * Expected calibration error (Naeini et al. 2015; Guo et al. 2017) over equal-width bins (low, high].
 *
 * @param confidences probability of the chosen answer, each from 0 to 1
 * @param correct whether that answer was right
 * @param binCount default 10
 */
export function calibration(
  confidences: readonly number[],
  correct: readonly (boolean | number)[],
  binCount = 10,
): CalibrationReport {
  if (confidences.length === 0 || confidences.length !== correct.length) {
    throw new InvalidMetricInputError(
      'correct',
      `${correct.length} entries`,
      `give one per confidence (${confidences.length}), at least one`,
    );
  }
  const sums = Array.from({ length: binCount }, () => ({ count: 0, hits: 0, confidence: 0 }));
  confidences.forEach((confidence, index) => {
    if (!(confidence >= 0 && confidence <= 1)) {
      throw new InvalidMetricInputError(
        `confidences[${index}]`,
        confidence,
        'give a probability from 0 to 1',
      );
    }
    const bin = sums[Math.min(binCount - 1, Math.max(0, Math.ceil(confidence * binCount) - 1))]!;
    bin.count += 1;
    bin.hits += Number(correct[index]);
    bin.confidence += confidence;
  });
  let expected = 0;
  let maximum = 0;
  const bins = sums.map(({ count, hits, confidence }, index): CalibrationBin => {
    const edges = { low: index / binCount, high: (index + 1) / binCount };
    if (count === 0) return { ...edges, count, accuracy: undefined, confidence: undefined };
    const gap = Math.abs(hits - confidence) / count;
    expected += (count / confidences.length) * gap;
    maximum = Math.max(maximum, gap);
    return { ...edges, count, accuracy: hits / count, confidence: confidence / count };
  });
  return { expectedCalibrationError: expected, maximumCalibrationError: maximum, bins };
}

/** The single number of {@link calibration}. */
export function expectedCalibrationError(
  confidences: readonly number[],
  correct: readonly (boolean | number)[],
  binCount = 10,
): number {
  return calibration(confidences, correct, binCount).expectedCalibrationError;
}

/** Brier score summed over classes, mean over items: 0 is perfect, 2 the worst. */
export function brierScore(probabilities: readonly (readonly number[])[], labels: readonly number[]): number {
  if (probabilities.length === 0 || probabilities.length !== labels.length) {
    throw new InvalidMetricInputError(
      'labels',
      `${labels.length} entries`,
      'give one per row of probabilities',
    );
  }
  const sum = probabilities.reduce(
    (total, row, item) =>
      total + row.reduce((inner, p, label) => inner + (p - (label === labels[item] ? 1 : 0)) ** 2, 0),
    0,
  );
  return sum / probabilities.length;
}
