import { expect, it } from 'vitest';
import {
  accuracy,
  f1Score,
  macroF1,
  matthewsCorrelation,
  pearsonCorrelation,
  spearmanCorrelation,
} from '../../src/index.js';

const predicted = [0, 1, 2, 1, 0, 2, 1, 1, 0, 2];
const expected = [0, 1, 1, 1, 0, 2, 2, 1, 1, 2];

it('classification metrics equal scikit-learn’s', () => {
  expect(accuracy(predicted, expected)).toBeCloseTo(0.7, 12);
  expect(f1Score(predicted, expected)).toBeCloseTo(0.6666666666666666, 12);
  expect(macroF1(predicted, expected)).toBeCloseTo(0.7111111111111111, 12);
  expect(matthewsCorrelation(predicted, expected)).toBeCloseTo(0.5471422245456321, 12);
});

it('correlations equal SciPy’s, ties sharing their rank', () => {
  const [x, y] = [
    [1, 2, 2, 4, 7, 3.5],
    [2, 1, 3, 3, 9, 4],
  ];
  expect(pearsonCorrelation(x!, y!)).toBeCloseTo(0.9167940080115426, 12);
  expect(spearmanCorrelation(x!, y!)).toBeCloseTo(0.7794117647058825, 12);
});

it('are 0 where they are not defined, and want equal lengths', () => {
  expect(matthewsCorrelation([1, 1], [0, 1])).toBe(0);
  expect(pearsonCorrelation([1, 1], [0, 1])).toBe(0);
  expect(f1Score([0, 0], [0, 0])).toBe(0);
  expect(() => accuracy([1], [])).toThrow(/as many as expected/);
  expect(() => accuracy([], [])).toThrow(/at least one/);
});
