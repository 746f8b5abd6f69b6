/** A uniform generator in [0, 1) from any number of seeds (splitmix-like mixing, then mulberry32). */
export function seededRandom(...seeds: readonly number[]): () => number {
  let state = 0x9e37_79b9;
  for (const seed of seeds) {
    state = Math.imul(state ^ (seed >>> 0), 0x85eb_ca6b) >>> 0;
    state = Math.imul(state ^ (state >>> 13), 0xc2b2_ae35) >>> 0;
    state = (state ^ (state >>> 16)) >>> 0;
  }
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The numbers 0 … n − 1 in an order that the seeds decide (Fisher–Yates). */
export function seededOrder(n: number, ...seeds: readonly number[]): Uint32Array {
  const random = seededRandom(...seeds);
  const order = Uint32Array.from({ length: n }, (_, index) => index);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
