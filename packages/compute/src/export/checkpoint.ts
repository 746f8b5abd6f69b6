import { type Bytes, bytes, concatBytes, rawBytes, varint } from '../executors/protobuf.js';
import { maskedCrc32c } from './crc32c.js';
import { shapeProto } from './graph-def.js';

/** One variable of a TensorFlow checkpoint. */
export interface CheckpointTensor {
  readonly name: string;
  /** TensorFlow's number of the element type. */
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

const text = new TextEncoder();

function fixed32(value: number): Bytes {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

function rawVarint(value: number): Bytes {
  const out: number[] = [];
  let rest = value;
  while (rest > 127) {
    out.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Uint8Array.from(out);
}

/** A LevelDB block whose every key is a restart point (no prefix is shared), with its trailer. */
function block(entries: readonly (readonly [Bytes, Bytes])[]): Bytes {
  const parts: Bytes[] = [];
  const restarts: Bytes[] = [];
  let offset = 0;
  for (const [key, value] of entries) {
    restarts.push(fixed32(offset));
    const entry = concatBytes([Uint8Array.of(0), rawVarint(key.length), rawVarint(value.length), key, value]);
    parts.push(entry);
    offset += entry.length;
  }
  if (restarts.length === 0) restarts.push(fixed32(0));
  // One byte of compression type: none.
  const body = concatBytes([...parts, ...restarts, fixed32(restarts.length), Uint8Array.of(0)]);
  return concatBytes([body, fixed32(maskedCrc32c(body))]);
}

function blockHandle(offset: number, withTrailer: number): Bytes {
  return concatBytes([rawVarint(offset), rawVarint(withTrailer - 5)]);
}

/** A LevelDB table (sorted string table) of one data block. */
function table(entries: readonly (readonly [Bytes, Bytes])[]): Bytes {
  const data = block(entries);
  const meta = block([]);
  const last = entries.at(-1)![0];
  const index = block([[last, blockHandle(0, data.length)]]);
  const footer = new Uint8Array(48);
  const handles = concatBytes([
    blockHandle(data.length, meta.length),
    blockHandle(data.length + meta.length, index.length),
  ]);
  footer.set(handles);
  footer.set([0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb], 40);
  return concatBytes([data, meta, index, footer]);
}

function compareBytes(a: Bytes, b: Bytes): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/**
 * A TensorFlow checkpoint ("tensor bundle"): the index file, and the tensors in the order in which they follow each other
 * in the data file.
 */
export function checkpoint(tensors: readonly CheckpointTensor[]): { index: Bytes; data: readonly Bytes[] } {
  const sorted = tensors
    .map((tensor) => ({ tensor, key: text.encode(tensor.name) }))
    .sort((a, b) => compareBytes(a.key, b.key));
  // BundleHeaderProto: one shard, little endian, version 1.
  const header = concatBytes([varint(1, 1), bytes(3, varint(1, 1))]);
  const entries: [Bytes, Bytes][] = [[new Uint8Array(0), header]];
  const data: Bytes[] = [];
  let offset = 0;
  for (const { tensor, key } of sorted) {
    const content = rawBytes(tensor.data);
    const entry = concatBytes([
      varint(1, tensor.dtype),
      bytes(2, shapeProto(tensor.shape)),
      varint(4, offset),
      varint(5, content.length),
      Uint8Array.of((6 << 3) | 5),
      fixed32(maskedCrc32c(content)),
    ]);
    entries.push([key, entry]);
    data.push(content);
    offset += content.length;
  }
  return { index: table(entries), data };
}
