/**
 * Seeded randomness. Every function here is a pure function of its arguments, in 32-bit integer arithmetic, so the
 * same seed gives the same result on every machine.
 */

/** MurmurHash3's 32-bit finaliser: a bijection in which every input bit reaches every output bit. */
export function mix32(x: number): number {
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Folds numbers (any safe integer) and strings into one unsigned 32-bit key. */
export function hash32(...parts: readonly (number | string)[]): number {
  let h = 0x9e3779b9;
  for (const part of parts) {
    if (typeof part === 'number') {
      h = mix32(h ^ (part | 0));
      h = mix32(h ^ Math.floor(part / 0x100000000) ^ 0x5bd1e995);
    } else {
      for (let i = 0; i < part.length; i++) h = Math.imul(h ^ part.charCodeAt(i), 0x01000193);
      h = mix32(h ^ part.length);
    }
  }
  return h >>> 0;
}

/** A small fast generator (sfc32) for the places that need a stream of numbers. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(...seed: readonly (number | string)[]) {
    this.a = hash32(1, ...seed) | 0;
    this.b = hash32(2, ...seed) | 0;
    this.c = hash32(3, ...seed) | 0;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** Uniform in [0, 2³²). */
  uint32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** Uniform in [0, 1), 32 bits. */
  float(): number {
    return this.uint32() / 0x100000000;
  }

  /** Uniform in [0, bound), without modulo bias. */
  below(bound: number): number {
    const limit = 0x100000000 - (0x100000000 % bound);
    for (;;) {
      const x = this.uint32();
      if (x < limit) return x % bound;
    }
  }

  /** Standard normal (Box–Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.float())) * Math.cos(2 * Math.PI * this.float());
  }

  /** Fisher–Yates, in place. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j] as T, items[i] as T];
    }
    return items;
  }
}

const feistelRounds = 6;

/**
 * Where item `index` of `count` lands in a shuffled order, without storing the order: a Feistel network over the
 * smallest even number of bits that holds `count`, walked until it falls inside (Black and Rogaway 2002, "Ciphers
 * with arbitrary finite domains"). Constant memory, random access: what makes an exact resume position cheap.
 *
 * @param index 0 ≤ index < count ≤ 2⁵²
 */
export function permute(index: number, count: number, key: number): number {
  if (count <= 1) return 0;
  let halfBits = 1;
  while (2 ** (2 * halfBits) < count) halfBits++;
  const base = 2 ** halfBits;
  let value = index;
  do {
    let left = Math.floor(value / base);
    let right = value % base;
    for (let round = 0; round < feistelRounds; round++) {
      const mixed = mix32(right ^ mix32(key + Math.imul(round + 1, 0x9e3779b9))) % base;
      const next = (left ^ mixed) >>> 0;
      left = right;
      right = next;
    }
    value = left * base + right;
  } while (value >= count);
  return value;
}
