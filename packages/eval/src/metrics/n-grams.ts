/** Counts of the n-grams of `items`; the parts of a key are joined by U+0001, which no token of ours contains. */
export function countNGrams(items: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let start = 0; start + n <= items.length; start++) {
    const key = n === 1 ? items[start]! : items.slice(start, start + n).join('\u0001');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Σ min(count in a, count in b): the clipped matches of BLEU, chrF and ROUGE. */
export function overlap(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let matches = 0;
  for (const [key, count] of a) matches += Math.min(count, b.get(key) ?? 0);
  return matches;
}
