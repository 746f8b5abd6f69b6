/**
 * The source whose next item keeps the proportions closest to the weights: stride scheduling (Waldspurger and Weihl
 * 1995) with each source's virtual time taken at the middle of its next item, so that no source is ever more than
 * about one item off its share. A random draw per item would be off by the square root of the number of items.
 *
 * @param nextSize size of the next item of a source, or null when it has none left
 * @returns index of the source, or -1 when all are exhausted
 */
export function nextSource(
  weights: readonly number[],
  tokens: readonly number[],
  nextSize: (source: number) => number | null,
): number {
  let best = -1;
  let bestTime = Number.POSITIVE_INFINITY;
  for (let source = 0; source < weights.length; source++) {
    const weight = weights[source]!;
    if (weight <= 0) continue;
    const size = nextSize(source);
    if (size === null) continue;
    const time = (tokens[source]! + size / 2) / weight;
    if (time < bestTime) {
      best = source;
      bestTime = time;
    }
  }
  return best;
}
