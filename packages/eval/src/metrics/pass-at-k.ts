import { InvalidMetricInputError } from '../errors.js';

/**
 * The unbiased estimate of pass@k (Chen et al. 2021, Evaluating large language models trained on code, eq. 1):
 * `1 − C(n − c, k) / C(n, k)`, the chance that k of the n samples drawn without replacement hold a correct one.
 *
 * @param n samples drawn
 * @param c samples that pass
 * @param k samples the user would look at, 1 ≤ k ≤ n
 */
export function passAtK(n: number, c: number, k: number): number {
  if (!Number.isInteger(n) || n < 1)
    throw new InvalidMetricInputError('n', n, 'give a whole number of samples, at least 1');
  if (!Number.isInteger(c) || c < 0 || c > n)
    throw new InvalidMetricInputError('c', c, `give a whole number from 0 to n (${n})`);
  if (!Number.isInteger(k) || k < 1 || k > n)
    throw new InvalidMetricInputError('k', k, `give a whole number from 1 to n (${n})`);
  if (n - c < k) return 1;
  // C(n−c, k) / C(n, k) as a product of k ratios: no factorial, no overflow.
  let allFail = 1;
  for (let i = n - c + 1; i <= n; i++) allFail *= 1 - k / i;
  return 1 - allFail;
}
