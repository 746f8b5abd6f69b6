import { expect, it } from 'vitest';
import { expOfNegative } from '../../src/generation/exponential.js';
import { Random } from '../../src/model/random.js';

it('is the exponential function to the last places', () => {
  const random = new Random(1, 'exponential');
  let worst = 0;
  for (let i = 0; i < 200_000; i++) {
    const x = -(random.uniform() ** 3) * 700;
    const exact = Math.exp(x);
    worst = Math.max(worst, Math.abs(expOfNegative(x) - exact) / exact);
  }
  expect(worst).toBeLessThan(8 * Number.EPSILON);
  expect(expOfNegative(0)).toBe(1);
  expect(expOfNegative(-0)).toBe(1);
  expect(expOfNegative(-701)).toBe(0);
  expect(expOfNegative(Number.NEGATIVE_INFINITY)).toBe(0);
  expect(expOfNegative(Number.NaN)).toBeNaN();
});
