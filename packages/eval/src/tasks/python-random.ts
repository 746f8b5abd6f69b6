/**
 * The Mersenne Twister with the seeding and the `sample` of Python's `random.Random`, so that few-shot examples are the
 * same ones that lm-evaluation-harness draws from the same pool and seed.
 */
export class PythonRandom {
  readonly #state = new Uint32Array(624);
  #index = 624;

  /** @param seed a whole number from 0 to 2⁵³ − 1 */
  constructor(seed: number) {
    const low = seed % 0x1_0000_0000;
    const high = Math.floor(seed / 0x1_0000_0000);
    this.#seedByArray(high > 0 ? [low, high] : [low]);
  }

  #seedByArray(key: readonly number[]): void {
    const state = this.#state;
    state[0] = 19_650_218;
    for (let i = 1; i < 624; i++) {
      state[i] = Math.imul(1_812_433_253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
    }
    let i = 1;
    let j = 0;
    for (let k = Math.max(624, key.length); k > 0; k--) {
      state[i] = (state[i]! ^ Math.imul(state[i - 1]! ^ (state[i - 1]! >>> 30), 1_664_525)) + key[j]! + j;
      i += 1;
      j = (j + 1) % key.length;
      if (i === 624) {
        state[0] = state[623]!;
        i = 1;
      }
    }
    for (let k = 623; k > 0; k--) {
      state[i] = (state[i]! ^ Math.imul(state[i - 1]! ^ (state[i - 1]! >>> 30), 1_566_083_941)) - i;
      i += 1;
      if (i === 624) {
        state[0] = state[623]!;
        i = 1;
      }
    }
    state[0] = 0x8000_0000;
  }

  #next32(): number {
    const state = this.#state;
    if (this.#index === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i]! & 0x8000_0000) | (state[(i + 1) % 624]! & 0x7fff_ffff);
        state[i] = state[(i + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908_b0df : 0);
      }
      this.#index = 0;
    }
    let y = state[this.#index++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /** Uniform in 0 … n − 1, n below 2³². */
  below(n: number): number {
    const bits = 32 - Math.clz32(n);
    let value = this.#next32() >>> (32 - bits);
    while (value >= n) value = this.#next32() >>> (32 - bits);
    return value;
  }

  /** k entries without replacement, in the order Python draws them. */
  sample<T>(population: readonly T[], k: number): T[] {
    const n = population.length;
    if (k < 0 || k > n) throw new RangeError(`cannot sample ${k} of ${n}`);
    // Python copies the pool when it is small beside k, and keeps a set of what is taken when it is large.
    const setSize = 21 + (k > 5 ? 4 ** Math.ceil(Math.log(k * 3) / Math.log(4)) : 0);
    if (n <= setSize) {
      const pool = [...population];
      return Array.from({ length: k }, (_, i) => {
        const j = this.below(n - i);
        const taken = pool[j]!;
        pool[j] = pool[n - i - 1]!;
        return taken;
      });
    }
    const taken = new Set<number>();
    return Array.from({ length: k }, () => {
      let j = this.below(n);
      while (taken.has(j)) j = this.below(n);
      taken.add(j);
      return population[j]!;
    });
  }
}
