import { type ByteSource, blobSource, bytesSource } from './byte-source.js';
import {
  asFloat32,
  dtypeTable,
  isDtype,
  type SafetensorsArray,
  type SafetensorsDtype,
  viewAs,
} from './dtypes.js';
import { SafetensorsError } from './errors.js';

/** Where one tensor lies in the file. */
export interface SafetensorsInfo {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Bytes from the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** An opened file: the header is in memory, tensors are read when asked for. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, SafetensorsInfo>;
  /** The `__metadata__` strings. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The tensor in its own dtype (`F16`/`BF16` as bit patterns). @throws {SafetensorsError} unknown name */
  read(name: string): Promise<SafetensorsArray>;
  /** The tensor, or elements `[start, end)` of it, converted to float32. @throws {SafetensorsError} */
  readFloat32(name: string, start?: number, end?: number): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface ReadSafetensorsOptions {
  /** Largest header accepted, in bytes. Default 100,000,000, the reference implementation's limit. */
  readonly maxHeaderBytes?: number;
}

/**
 * Opens a safetensors file. The file is taken for hostile: header size, JSON, dtypes, shapes and offsets are
 * checked before any tensor is touched, and tensors must cover the data exactly, without holes or overlaps.
 *
 * @throws {SafetensorsError} that names the tensor and what is wrong with it
 */
export async function readSafetensors(
  source: ByteSource | Uint8Array | ArrayBuffer | Blob,
  options: ReadSafetensorsOptions = {},
): Promise<SafetensorsFile> {
  const bytes = toSource(source);
  const { maxHeaderBytes = 100_000_000 } = options;
  const header = await readHeader(bytes, maxHeaderBytes);
  const { tensors, metadata } = parseHeader(header.text, header.dataOffset, bytes.size);

  const locate = (name: string): SafetensorsInfo => {
    const info = tensors.get(name);
    if (!info) throw new SafetensorsError(name, `no such tensor in ${bytes.name}`);
    return info;
  };
  const fetchRange = async (info: SafetensorsInfo, start: number, end: number): Promise<SafetensorsArray> => {
    const width = dtypeTable[info.dtype].bytes;
    const length = (end - start) * width;
    const data = await bytes.read(info.byteOffset + start * width, length);
    if (data.byteLength !== length) {
      throw new SafetensorsError(
        info.name,
        `${bytes.name} ended early: ${data.byteLength} of ${length} bytes`,
      );
    }
    return viewAs(info.dtype, data);
  };
  return {
    tensors,
    metadata,
    read: async (name) => {
      const info = locate(name);
      return fetchRange(info, 0, info.size);
    },
    readFloat32: async (name, start = 0, end = Number.POSITIVE_INFINITY) => {
      const info = locate(name);
      const stop = Math.min(end, info.size);
      if (!Number.isSafeInteger(start) || start < 0 || start > stop) {
        throw new SafetensorsError(name, `range [${start}, ${end}) lies outside its ${info.size} elements`);
      }
      return asFloat32(info.dtype, await fetchRange(info, start, stop));
    },
    close: async () => bytes.close?.(),
  };
}

function toSource(source: ByteSource | Uint8Array | ArrayBuffer | Blob): ByteSource {
  if (source instanceof Uint8Array || source instanceof ArrayBuffer) return bytesSource(source);
  if (typeof Blob !== 'undefined' && source instanceof Blob) return blobSource(source);
  return source as ByteSource;
}

/** First 8 bytes: header length as little-endian u64; then the JSON header, space-padded. */
async function readHeader(
  source: ByteSource,
  maxHeaderBytes: number,
): Promise<{ text: string; dataOffset: number }> {
  if (source.size < 8) {
    throw new SafetensorsError('header', `${source.name} has ${source.size} bytes, too few for a header`);
  }
  const prefix = await source.read(0, 8);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw new SafetensorsError('header', `claims ${length} bytes, the limit is ${maxHeaderBytes}`);
  }
  const headerBytes = Number(length);
  if (8 + headerBytes > source.size) {
    throw new SafetensorsError('header', `claims ${length} bytes but ${source.name} has ${source.size}`);
  }
  const raw = await source.read(8, headerBytes);
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(raw), dataOffset: 8 + headerBytes };
  } catch (cause) {
    throw new SafetensorsError('header', 'is not UTF-8', { cause });
  }
}

function parseHeader(text: string, dataOffset: number, fileSize: number) {
  if (!text.startsWith('{')) throw new SafetensorsError('header', 'must begin with "{"');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError('header', 'is not JSON', { cause });
  }
  const metadata = new Map<string, string>();
  const tensors = new Map<string, SafetensorsInfo>();
  for (const [name, entry] of Object.entries(json as Record<string, unknown>)) {
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(asRecord(name, entry))) {
        if (typeof value !== 'string') throw new SafetensorsError(name, `value of "${key}" is not a string`);
        metadata.set(key, value);
      }
    } else {
      tensors.set(name, parseEntry(name, asRecord(name, entry), dataOffset));
    }
  }
  const inFileOrder = [...tensors.values()].sort(
    (a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength,
  );
  let end = dataOffset;
  for (const info of inFileOrder) {
    if (info.byteOffset !== end) {
      const trouble = info.byteOffset < end ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new SafetensorsError(info.name, `data offset ${info.byteOffset - dataOffset} ${trouble}`);
    }
    end += info.byteLength;
  }
  if (end !== fileSize) {
    const trouble = end > fileSize ? 'the file is truncated' : 'bytes follow the last tensor';
    throw new SafetensorsError('file', `tensors end at byte ${end} but it has ${fileSize}: ${trouble}`);
  }
  return { tensors, metadata };
}

function parseEntry(name: string, entry: Record<string, unknown>, dataOffset: number): SafetensorsInfo {
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    throw new SafetensorsError(name, `dtype ${JSON.stringify(dtype)} is not supported`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new SafetensorsError(name, `shape ${JSON.stringify(shape)} is not a list of non-negative integers`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    throw new SafetensorsError(name, `data_offsets ${JSON.stringify(offsets)} is not [begin, end]`);
  }
  const size = shape.reduce((product: number, axis: number) => product * axis, 1);
  const byteLength = size * dtypeTable[dtype].bytes;
  const [begin, end] = offsets as [number, number];
  if (!Number.isSafeInteger(byteLength) || byteLength !== end - begin) {
    throw new SafetensorsError(
      name,
      `shape [${shape.join(', ')}] of ${dtype} takes ${byteLength} bytes, data_offsets give ${end - begin}`,
    );
  }
  return { name, dtype, shape: shape as number[], size, byteOffset: dataOffset + begin, byteLength };
}

function asRecord(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SafetensorsError(name, 'header entry is not an object');
  }
  return value as Record<string, unknown>;
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
