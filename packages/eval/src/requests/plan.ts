/** A request with its place in the plan. */
export interface Planned<Request> {
  readonly key: string;
  readonly request: Request;
  readonly tokenIds: readonly number[];
  /** Tokens that the model has to read or write beyond `tokenIds`. */
  readonly extra: number;
}

/** Shorter common beginnings are not worth keeping requests together for. */
const SHARED = 16;

/**
 * Batches of at most `budget` tokens, the same for the same requests whatever is cached. Requests that begin alike stay
 * together and count their common beginning once, since the model reads it once; the longest come first, so that memory
 * runs out at the start or never.
 */
export function planBatches<Request>(
  requests: readonly Planned<Request>[],
  budget: number,
): Planned<Request>[][] {
  const sorted = [...requests].sort(
    (a, b) => compareTokens(a.tokenIds, b.tokenIds) || (a.key < b.key ? -1 : 1),
  );
  const families: { members: { entry: Planned<Request>; shared: number }[]; longest: number }[] = [];
  sorted.forEach((entry, index) => {
    const shared = index === 0 ? 0 : commonLength(sorted[index - 1]!.tokenIds, entry.tokenIds);
    const length = entry.tokenIds.length + entry.extra;
    const family = families.at(-1);
    if (family && shared >= SHARED) {
      family.members.push({ entry, shared });
      family.longest = Math.max(family.longest, length);
    } else families.push({ members: [{ entry, shared: 0 }], longest: length });
  });
  families.sort((a, b) => b.longest - a.longest);
  const batches: Planned<Request>[][] = [];
  let batch: Planned<Request>[] = [];
  let tokens = 0;
  for (const { members } of families) {
    for (const { entry, shared } of members) {
      const length = entry.tokenIds.length + entry.extra;
      const cost = length - shared;
      if (batch.length > 0 && tokens + cost > budget) {
        batches.push(batch);
        batch = [];
        tokens = 0;
      }
      // The first of a batch reads its whole text.
      tokens += batch.length === 0 ? length : cost;
      batch.push(entry);
    }
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a[at] === b[at]) at += 1;
  return at;
}

function compareTokens(a: readonly number[], b: readonly number[]): number {
  const shared = commonLength(a, b);
  return shared === Math.min(a.length, b.length) ? a.length - b.length : a[shared]! - b[shared]!;
}
