/** Which document of a set of duplicates stays. Ties: the first. */
export type KeepPolicy =
  /** Highest quality score, then longest text. */
  'best' | 'longest' | 'first';

/** `members` ascending. @returns the one to keep */
export function keepBest(
  members: ArrayLike<number>,
  policy: KeepPolicy,
  quality: (document: number) => number,
  length: (document: number) => number,
): number {
  let best = members[0]!;
  if (policy === 'first') return best;
  for (let i = 1; i < members.length; i++) {
    const candidate = members[i]!;
    const gain = policy === 'best' ? quality(candidate) - quality(best) : 0;
    if (gain > 0 || (gain === 0 && length(candidate) > length(best))) best = candidate;
  }
  return best;
}
