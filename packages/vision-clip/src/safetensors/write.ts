import { dtypeTable, encodeAs, type SafetensorsArray, type SafetensorsDtype } from './dtypes.js';
import { SafetensorsError } from './errors.js';

/** One tensor to write. `data` may be a function, called when its turn comes, so that not all is in memory. */
export interface SafetensorsInput {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: SafetensorsArray | (() => SafetensorsArray | Promise<SafetensorsArray>);
}

export interface WriteSafetensorsOptions {
  /** The `__metadata__` strings; transformers wants `{ format: 'pt' }`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The file as a sequence of byte blocks: header, then each tensor. Tensors are ordered as the reference writer
 * orders them (widest dtype first, then by name), so equal tensors give equal bytes.
 *
 * @throws {SafetensorsError} when the data does not fit its dtype or shape
 */
export async function* safetensorsChunks(
  tensors: Readonly<Record<string, SafetensorsInput>>,
  options: WriteSafetensorsOptions = {},
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const sorted = Object.entries(tensors)
    .map(([name, input]) => ({ name, key: encoder.encode(name), input }))
    .sort((a, b) => dtypeTable[a.input.dtype].rank - dtypeTable[b.input.dtype].rank || compare(a.key, b.key));

  // A Map and hand-joined JSON: a tensor called `__proto__` or `7` must keep its place.
  const entries: string[] = [];
  if (options.metadata) entries.push(`"__metadata__":${JSON.stringify(options.metadata)}`);
  let offset = 0;
  for (const { name, input } of sorted) {
    if (name === '__metadata__') throw new SafetensorsError(name, 'is reserved by the format');
    const begin = offset;
    offset += elementCount(name, input.shape) * dtypeTable[input.dtype].bytes;
    const entry = { dtype: input.dtype, shape: input.shape, data_offsets: [begin, offset] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const json = encoder.encode(`{${entries.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8; // tensor data starts 8-byte aligned
  const header = new Uint8Array(8 + padded).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  yield header;

  for (const { name, input } of sorted) {
    const data = typeof input.data === 'function' ? await input.data() : input.data;
    const bytes = encodeAs(name, input.dtype, data);
    const expected = elementCount(name, input.shape);
    if (data.length !== expected) {
      throw new SafetensorsError(
        name,
        `shape [${input.shape.join(', ')}] needs ${expected} values, received ${data.length}`,
      );
    }
    yield bytes;
  }
}

/**
 * A whole safetensors file in memory. For large models use `writeSafetensorsFile` of `/safetensors/node`.
 *
 * @throws {SafetensorsError} when the data does not fit its dtype or shape
 */
export async function writeSafetensors(
  tensors: Readonly<Record<string, SafetensorsInput>>,
  options: WriteSafetensorsOptions = {},
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of safetensorsChunks(tensors, options)) {
    chunks.push(chunk);
    length += chunk.byteLength;
  }
  const file = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    file.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return file;
}

function elementCount(name: string, shape: readonly number[]): number {
  let count = 1;
  for (const axis of shape) {
    if (!Number.isSafeInteger(axis) || axis < 0) {
      throw new SafetensorsError(name, `shape [${shape.join(', ')}] is not a list of non-negative integers`);
    }
    count *= axis;
  }
  return count;
}

/** Byte-wise, as Rust compares strings; JavaScript's `<` differs beyond the basic multilingual plane. */
function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}
