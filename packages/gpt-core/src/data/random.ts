/**
 * Counter-based random numbers: a draw is a pure function of (seed, counters), so a data loader or a dropout
 * mask needs no generator state to be saved, and resuming equals never having stopped.
 */

/** Avalanche of MurmurHash3 (Appleby): every input bit changes each output bit with probability one half. */
function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** 32 well-mixed bits of a seed and any number of counters (each a safe integer). */
export function hash32(seed: number, ...counters: number[]): number {
  let state = mix((seed >>> 0) ^ 0x9e3779b9);
  state = mix(state ^ Math.floor(seed / 2 ** 32));
  for (const counter of counters) {
    state = mix((Math.imul(state, 5) + 0xe6546b64) ^ (counter >>> 0));
    // The high half matters only beyond 2^32 draws, but two draws must never collide silently.
    state = mix(state ^ (Math.floor(counter / 2 ** 32) >>> 0));
  }
  return state;
}

/** A number in [0, 1) with 53 random bits. */
export function uniform(seed: number, ...counters: number[]): number {
  const high = hash32(seed, ...counters, 0) >>> 5;
  const low = hash32(seed, ...counters, 1) >>> 6;
  return (high * 2 ** 26 + low) / 2 ** 53;
}

/** An integer in [0, bound). */
export function uniformInt(bound: number, seed: number, ...counters: number[]): number {
  return Math.floor(uniform(seed, ...counters) * bound);
}

/** A standard normal draw (Box–Muller). */
export function normal(seed: number, ...counters: number[]): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, ...counters, 2)));
  return radius * Math.cos(2 * Math.PI * uniform(seed, ...counters, 3));
}

/**
 * Where `index` lands in a random permutation of [0, size): a four-round Feistel network with cycle walking,
 * so a shuffled pass over billions of windows needs no table.
 */
export function permute(index: number, size: number, seed: number): number {
  if (size <= 1) return 0;
  const halfBits = Math.max(1, Math.ceil(Math.log2(size) / 2));
  const half = 2 ** halfBits;
  let value = index;
  do {
    let left = Math.floor(value / half);
    let right = value % half;
    for (let round = 0; round < 4; round++) {
      const next = (left ^ (hash32(seed, round, right) % half)) >>> 0;
      left = right;
      right = next;
    }
    value = left * half + right;
  } while (value >= size);
  return value;
}
