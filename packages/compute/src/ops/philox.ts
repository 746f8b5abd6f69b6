/**
 * Philox4x32-10, the counter-based generator of Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3",
 * keyed the way TensorFlow's stateless ops key it: so a seed gives the same numbers here as there.
 */
export function philoxUniform(seed: readonly [number, number], size: number): Float32Array {
  const state = new Uint32Array(4);
  // TensorFlow first scrambles the seed pair (two sign-extended 64-bit numbers) into a key and a counter.
  const signed = (value: number) => (value < 0 ? 0xffffffff : 0);
  state.set([seed[0] >>> 0, signed(seed[0]), seed[1] >>> 0, signed(seed[1])]);
  rounds(state, 0x3ec8f720, 0x02461e29);
  const [key0, key1, high0, high1] = state as unknown as [number, number, number, number];
  const out = new Float32Array(size);
  const bits = new Uint32Array(out.buffer);
  for (let block = 0, at = 0; at < size; block++) {
    state[0] = block;
    state[1] = Math.floor(block / 2 ** 32);
    state[2] = high0;
    state[3] = high1;
    rounds(state, key0, key1);
    for (let lane = 0; lane < 4 && at < size; lane++, at++) {
      // 23 random bits as the mantissa of a float in [1, 2).
      bits[at] = (state[lane]! & 0x7fffff) | 0x3f800000;
      out[at]! -= 1;
    }
  }
  return out;
}

function rounds(state: Uint32Array, key0: number, key1: number): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, a);
    const low0 = Math.imul(0xd2511f53, a);
    const high1 = multiplyHigh(0xcd9e8d57, c);
    const low1 = Math.imul(0xcd9e8d57, c);
    a = high1 ^ b ^ key0;
    b = low1;
    c = high0 ^ d ^ key1;
    d = low0;
    key0 = (key0 + 0x9e3779b9) | 0;
    key1 = (key1 + 0xbb67ae85) | 0;
  }
  state[0] = a;
  state[1] = b;
  state[2] = c;
  state[3] = d;
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(x: number, y: number): number {
  const x0 = x & 0xffff;
  const x1 = x >>> 16;
  const y0 = y & 0xffff;
  const y1 = y >>> 16;
  const middle = x1 * y0 + ((Math.imul(x0, y0) >>> 0) >>> 16);
  const carry = (middle % 0x10000) + x0 * y1;
  return (x1 * y1 + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) | 0;
}
