import { ConfigError } from '../errors.js';
import { hash32 } from '../random.js';
import { SimdMinHash } from './minhash-simd.js';

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
  private readonly simd: SimdMinHash | null;

  constructor(permutations = 128, seed = 0) {
    if (!Number.isInteger(permutations) || permutations < 1) {
      throw new ConfigError('permutations', `must be a positive integer, received ${permutations}`);
    }
    this.permutations = permutations;
    this.seed = seed;
    this.multipliers = Int32Array.from({ length: permutations }, (_, i) => hash32(seed, 'minhash-a', i) | 1);
    this.offsets = Int32Array.from({ length: permutations }, (_, i) => hash32(seed, 'minhash-b', i));
    this.simd = SimdMinHash.create(this.multipliers, this.offsets);
  }

  /** @returns `[permutations]`; all bits set for an empty set */
  signature(shingles: Uint32Array): Uint32Array {
    return this.simd?.signature(shingles) ?? plainSignature(shingles, this.multipliers, this.offsets);
  }
}

/** The definition, one order after the other. */
export function plainSignature(
  shingles: Uint32Array,
  multipliers: Int32Array,
  offsets: Int32Array,
): Uint32Array {
  return Uint32Array.from(multipliers, (a, p) => {
    const b = offsets[p]!;
    let minimum = 0xffffffff;
    for (let i = 0; i < shingles.length; i++) {
      const h = (Math.imul(a, shingles[i]!) + b) >>> 0;
      if (h < minimum) minimum = h;
    }
    return minimum;
  });
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
