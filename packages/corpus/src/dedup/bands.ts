import { ConfigError } from '../errors.js';
import { mix32 } from '../random.js';

/** How a signature is cut up: `bands` × `rows` ≤ its length. */
export interface Banding {
  bands: number;
  rows: number;
}

/** Probability that two documents of Jaccard similarity `similarity` share a band (Leskovec et al., MMDS, 3.4). */
export const candidateProbability = (similarity: number, { bands, rows }: Banding): number =>
  1 - (1 - similarity ** rows) ** bands;

/**
 * The most selective banding that still finds a pair at the threshold with probability `recall`. Candidates are
 * verified on their exact shingle sets afterwards, so false candidates cost time, missed ones are lost: hence the
 * bound on recall rather than a balance of both errors.
 *
 * @param recall at the threshold itself; above it, it is higher. Default 0.97
 */
export function chooseBands(threshold: number, permutations: number, recall = 0.97): Banding {
  if (!(threshold > 0 && threshold <= 1)) {
    throw new ConfigError('threshold', `must be above 0 and at most 1, received ${threshold}`);
  }
  for (let rows = permutations; rows > 1; rows--) {
    const banding = { bands: Math.floor(permutations / rows), rows };
    if (candidateProbability(threshold, banding) >= recall) return banding;
  }
  return { bands: permutations, rows: 1 };
}

/** One 32-bit key per band; equal rows give equal keys. */
export function bandKeys(signature: Uint32Array, { bands, rows }: Banding): Uint32Array {
  const keys = new Uint32Array(bands);
  for (let band = 0; band < bands; band++) {
    let h = Math.imul(band + 1, 0x9e3779b1);
    for (let i = band * rows; i < (band + 1) * rows; i++) {
      h = Math.imul(((h << 15) | (h >>> 17)) ^ signature[i]!, 0x85ebca6b) + 0x52dce729;
    }
    keys[band] = mix32(h);
  }
  return keys;
}

/**
 * Groups of members with equal keys, of two and more, members ascending. Radix sort: linear in `members`.
 *
 * @param keys key of every document, by number
 * @param members the documents to look at, ascending
 */
export function* buckets(keys: Uint32Array, members: Uint32Array): Generator<Uint32Array> {
  const from = sortByKey(keys, members);
  for (let start = 0; start < from.length; ) {
    const key = keys[from[start]!]!;
    let end = start + 1;
    while (end < from.length && keys[from[end]!]! === key) end++;
    if (end - start > 1) yield from.subarray(start, end);
    start = end;
  }
}

/** Few members sort faster as one array of doubles than through two tables of 65,536 counts. */
const radixFrom = 20_000;
const maxPackedNumber = 2 ** 21;

/** Members by key, then by number. */
function sortByKey(keys: Uint32Array, members: Uint32Array): Uint32Array {
  if (members.length < radixFrom && keys.length <= maxPackedNumber) {
    const packed = new Float64Array(members.length);
    for (let i = 0; i < members.length; i++) packed[i] = keys[members[i]!]! * maxPackedNumber + members[i]!;
    packed.sort();
    return Uint32Array.from(packed, (value) => value % maxPackedNumber);
  }
  let from: Uint32Array = members;
  for (const shift of [0, 16]) {
    const to = new Uint32Array(members.length);
    const counts = new Uint32Array(65_537);
    for (let i = 0; i < from.length; i++) counts[((keys[from[i]!]! >>> shift) & 0xffff) + 1]!++;
    for (let i = 0; i < 65_536; i++) counts[i + 1]! += counts[i]!;
    for (let i = 0; i < from.length; i++) {
      const digit = (keys[from[i]!]! >>> shift) & 0xffff;
      to[counts[digit]!++] = from[i]!;
    }
    from = to;
  }
  return from;
}
