import * as tf from '@tensorflow/tfjs-core';

/** Tokens per second and time per step over the last few steps. */
export class Throughput {
  #recent: { tokens: number; ms: number }[] = [];
  #steps = 0;

  add(tokens: number, ms: number): void {
    // The first step compiles kernels and fills caches; it says nothing about the rest.
    if (this.#steps++ === 1) this.#recent = [];
    this.#recent.push({ tokens, ms });
    if (this.#recent.length > 20) this.#recent.shift();
  }

  get stepMs(): number {
    return this.#total('ms') / Math.max(1, this.#recent.length);
  }

  get tokensPerSecond(): number {
    return (this.#total('tokens') * 1000) / Math.max(1e-6, this.#total('ms'));
  }

  #total(field: 'tokens' | 'ms'): number {
    return this.#recent.reduce((sum, entry) => sum + entry[field], 0);
  }
}

/** What this machine's matrix products reach, the denominator of the MFU estimate. */
export class MachineRate {
  readonly flopsPerSecond: number;

  private constructor(flopsPerSecond: number) {
    this.flopsPerSecond = flopsPerSecond;
  }

  /** Times a few square products; some tens of milliseconds. */
  static async measure(size = 384, repeats = 3): Promise<MachineRate> {
    const left = tf.ones([size, size]);
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i <= repeats; i++) {
      const from = performance.now();
      const product = tf.matMul(left, left);
      await product.data();
      if (i > 0) best = Math.min(best, performance.now() - from);
      product.dispose();
    }
    left.dispose();
    return new MachineRate((2 * size ** 3) / (best / 1000));
  }

  share(flopsPerSecond: number): number {
    return flopsPerSecond / this.flopsPerSecond;
  }
}
