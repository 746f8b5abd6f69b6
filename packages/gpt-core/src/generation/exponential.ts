/** Steps of one power of two. */
const steps = 64;
const fractions = Float64Array.from({ length: steps }, (_, i) => 2 ** (i / steps));
/** Beyond this, e^x is so small that nothing changes when it is 0. */
const least = -700;
const powers = Float64Array.from({ length: 1024 }, (_, i) => 2 ** -i);
/** ln 2 / 64 in two parts: products of the first with the whole numbers that occur are exact. */
const high = Math.fround(Math.LN2 / steps);
const beyondDouble = 2.3190468138462996e-17; // ln 2 less Math.LN2
const low = Math.LN2 / steps - high + beyondDouble / steps;

/**
 * e^x for x ≤ 0, within 2 units in the last place: a power of two, a step between two of them from a table, and a short
 * series. `Math.exp` takes three times as long, and sampling needs one per word of the vocabulary and token.
 */
export function expOfNegative(x: number): number {
  if (x < least) return 0;
  const whole = (x * (steps / Math.LN2) - 0.5) | 0;
  const rest = x - whole * high - whole * low; // within ln 2 / 128
  const series = 1 + rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest * (1 / 24 + rest * (1 / 120)))));
  return series * fractions[whole & (steps - 1)]! * powers[-(whole >> 6)]!;
}
