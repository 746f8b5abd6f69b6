/** Exports of `minhash-simd.wat`. Pointers are byte offsets into `memory`. */
interface MinHashModule {
  memory: WebAssembly.Memory;
  signature(shingles: number, count: number, a: number, b: number, out: number, orders: number): void;
}

/** `minhash-simd.wat`, by wat2wasm. */
const binary = [
  'AGFzbQEAAAABCgFgBn9/f39/fwADAgEABQMBAAIHFgIGbWVtb3J5AgAJc2lnbmF0dXJlAAAKrwIBrAICAn8NeyAAIAFBAnRq',
  'IQcCQANAIAVBAEwNASAC/QAEACEJIAL9AAQQIQogAv0ABCAhCyAC/QAEMCEMIAP9AAQAIQ0gA/0ABBAhDiAD/QAEICEPIAP9',
  'AAQwIRD9DP////////////////////8hESARIRIgESETIBEhFCAAIQYCQANAIAYgB08NASAG/QkCACEIIBEgCSAI/bUBIA39',
  'rgH9twEhESASIAogCP21ASAO/a4B/bcBIRIgEyALIAj9tQEgD/2uAf23ASETIBQgDCAI/bUBIBD9rgH9twEhFCAGQQRqIQYM',
  'AAsLIAQgEf0LBAAgBCAS/QsEECAEIBP9CwQgIAQgFP0LBDAgAkHAAGohAiADQcAAaiEDIARBwABqIQQgBUEQayEFDAALCws=',
].join('');

let compiled: WebAssembly.Module | null | undefined;

/** Computes signatures with SIMD; the same numbers as the plain loop, about three times as fast. */
export class SimdMinHash {
  private readonly module: MinHashModule;
  private readonly orders: number;
  private readonly shinglesAt: number;
  private capacity: number;

  private constructor(module: MinHashModule, multipliers: Int32Array, offsets: Int32Array) {
    this.module = module;
    this.orders = multipliers.length;
    const bytes = 4 * this.orders;
    // Multipliers, offsets, result, then shingles.
    this.shinglesAt = 3 * bytes;
    this.capacity = (module.memory.buffer.byteLength - this.shinglesAt) >> 2;
    if (this.capacity < 1) this.grow(1);
    new Int32Array(module.memory.buffer, 0, this.orders).set(multipliers);
    new Int32Array(module.memory.buffer, bytes, this.orders).set(offsets);
  }

  /** @returns null where WebAssembly has no SIMD, and for a number of orders that is no multiple of 16 */
  static create(multipliers: Int32Array, offsets: Int32Array): SimdMinHash | null {
    if (multipliers.length % 16 !== 0) return null;
    if (compiled === undefined) {
      try {
        compiled = new WebAssembly.Module(Buffer.from(binary, 'base64'));
      } catch {
        compiled = null;
      }
    }
    if (compiled === null) return null;
    const { exports } = new WebAssembly.Instance(compiled);
    return new SimdMinHash(exports as unknown as MinHashModule, multipliers, offsets);
  }

  /** @returns `[orders]`, fresh */
  signature(shingles: Uint32Array): Uint32Array {
    if (shingles.length > this.capacity) this.grow(shingles.length);
    const { module, orders, shinglesAt } = this;
    new Uint32Array(module.memory.buffer, shinglesAt, shingles.length).set(shingles);
    module.signature(shinglesAt, shingles.length, 0, 4 * orders, 8 * orders, orders);
    return new Uint32Array(module.memory.buffer, 8 * orders, orders).slice();
  }

  private grow(shingles: number): void {
    const { memory } = this.module;
    const missing = this.shinglesAt + 4 * shingles - memory.buffer.byteLength;
    memory.grow(Math.ceil(missing / 65_536));
    this.capacity = (memory.buffer.byteLength - this.shinglesAt) >> 2;
  }
}
