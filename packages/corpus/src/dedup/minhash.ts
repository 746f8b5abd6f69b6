import { ConfigError } from '../errors.js';
import { hash32 } from '../random.js';

/**
 * MinHash signatures (Broder 1997, "On the resemblance and containment of documents"): under a random order of all
 * shingles, two sets have the same first element with probability equal to their Jaccard similarity J. `permutations`
 * orders give an estimate of J with standard deviation √(J(1 − J) / permutations).
 *
 * An order here is x ↦ a·x + b modulo 2³² with odd a, on shingles that are well-mixed hashes already.
 */
export class MinHasher {
  readonly permutations: number;
  readonly seed: number;
  private readonly multipliers: Int32Array;
  private readonly offsets: Int32Array;

  constructor(permutations = 128, seed = 0) {
    if (!Number.isInteger(permutations) || permutations < 1) {
      throw new ConfigError('permutations', `must be a positive integer, received ${permutations}`);
    }
    this.permutations = permutations;
    this.seed = seed;
    this.multipliers = Int32Array.from({ length: permutations }, (_, i) => hash32(seed, 'minhash-a', i) | 1);
    this.offsets = Int32Array.from({ length: permutations }, (_, i) => hash32(seed, 'minhash-b', i));
  }

  /** @returns `[permutations]`; all bits set for an empty set */
  signature(shingles: Uint32Array): Uint32Array {
    const { permutations, multipliers, offsets } = this;
    const result = new Uint32Array(permutations);
    const { length } = shingles;
    let p = 0;
    // Four orders per pass over the shingles: their minima stay in registers. Unsigned order is signed order with
    // the top bit flipped, and the flip goes into the offset.
    for (; p + 4 <= permutations; p += 4) {
      const a0 = multipliers[p]!;
      const a1 = multipliers[p + 1]!;
      const a2 = multipliers[p + 2]!;
      const a3 = multipliers[p + 3]!;
      const b0 = offsets[p]!;
      const b1 = offsets[p + 1]!;
      const b2 = offsets[p + 2]!;
      const b3 = offsets[p + 3]!;
      let m0 = 0x7fffffff;
      let m1 = 0x7fffffff;
      let m2 = 0x7fffffff;
      let m3 = 0x7fffffff;
      for (let i = 0; i < length; i++) {
        const x = shingles[i]! | 0;
        const h0 = (Math.imul(a0, x) + b0) | 0;
        const h1 = (Math.imul(a1, x) + b1) | 0;
        const h2 = (Math.imul(a2, x) + b2) | 0;
        const h3 = (Math.imul(a3, x) + b3) | 0;
        if (h0 < m0) m0 = h0;
        if (h1 < m1) m1 = h1;
        if (h2 < m2) m2 = h2;
        if (h3 < m3) m3 = h3;
      }
      result[p] = m0 ^ 0x80000000;
      result[p + 1] = m1 ^ 0x80000000;
      result[p + 2] = m2 ^ 0x80000000;
      result[p + 3] = m3 ^ 0x80000000;
    }
    for (; p < permutations; p++) {
      const a = multipliers[p]!;
      const b = offsets[p]!;
      let minimum = 0x7fffffff;
      for (let i = 0; i < length; i++) {
        const h = (Math.imul(a, shingles[i]!) + b) | 0;
        if (h < minimum) minimum = h;
      }
      result[p] = minimum ^ 0x80000000;
    }
    return result;
  }
}

/** Share of positions where two signatures agree: an unbiased estimate of the Jaccard similarity. */
export function estimateJaccard(a: Uint32Array, b: Uint32Array): number {
  if (a.length !== b.length) {
    throw new ConfigError(
      'signature',
      `lengths differ: ${a.length} and ${b.length}; use one MinHasher for both`,
    );
  }
  let same = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++;
  return same / a.length;
}
