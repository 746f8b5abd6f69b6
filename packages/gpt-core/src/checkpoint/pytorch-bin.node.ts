import { type FileHandle, open } from 'node:fs/promises';
import type { SafetensorsFile } from '@gpt-lineage/vision-clip/safetensors';
import { CheckpointError } from '../errors.js';
import { type Call, type Pickled, PickleError, readPickle } from './pickle.js';

type Info = SafetensorsFile['tensors'] extends ReadonlyMap<string, infer T> ? T : never;

/** PyTorch's storage classes, with our names of number formats and their bytes. */
const storages: Readonly<Record<string, { dtype: 'F32' | 'F16' | 'BF16' | 'F64'; bytes: number }>> = {
  'torch.FloatStorage': { dtype: 'F32', bytes: 4 },
  'torch.HalfStorage': { dtype: 'F16', bytes: 2 },
  'torch.BFloat16Storage': { dtype: 'BF16', bytes: 2 },
  'torch.DoubleStorage': { dtype: 'F64', bytes: 8 },
};

/** A pickle describes tensors, it does not hold them. */
const mostPickleBytes = 64 * 2 ** 20;

/**
 * A legacy `pytorch_model.bin` (`torch.save` since PyTorch 1.6: a zip of a pickle and raw numbers), one tensor in memory
 * at a time. The pickle is read as data and nothing in it runs.
 *
 * @throws {CheckpointError} damaged, compressed, older, or with anything but plain tensors of floating-point numbers
 */
export async function openPyTorchBin(path: string): Promise<SafetensorsFile> {
  const file = await open(path, 'r');
  try {
    const entries = await readDirectory(file, path);
    const pickle = [...entries.keys()].find((name) => name.endsWith('/data.pkl'));
    if (pickle === undefined) throw new CheckpointError(path, 'is no zip that torch.save wrote');
    const root = pickle.slice(0, -'data.pkl'.length);
    const { offset, size } = entries.get(pickle)!;
    if (size > mostPickleBytes) throw new CheckpointError(path, 'its list of tensors is too large');
    const order = entries.get(`${root}byteorder`);
    if (order && Buffer.from(await readAt(file, path, order.offset, order.size)).toString() !== 'little') {
      throw new CheckpointError(path, 'its numbers are big-endian');
    }
    const content = unpickle(await readAt(file, path, offset, size), path);
    if (!(content instanceof Map)) throw new CheckpointError(path, 'holds no dictionary of tensors');
    const tensors = new Map<string, Info>();
    for (const [name, value] of content) {
      const info = tensorInfo(name, value, root, entries);
      if (info === undefined) {
        throw new CheckpointError(path, `${String(name)} is no plain tensor of floating-point numbers`);
      }
      tensors.set(info.name, info);
    }
    const bytesOf = async (name: string) => {
      const info = tensors.get(name);
      if (info === undefined) throw new CheckpointError(path, `has no tensor ${name}`);
      return { info, bytes: await readAt(file, path, info.byteOffset, info.byteLength) };
    };
    return {
      tensors,
      metadata: new Map(),
      read: async (name) => {
        const { info, bytes } = await bytesOf(name);
        return toFloat32(info.dtype, bytes);
      },
      readFloat32: async (name, start = 0, end) => {
        const { info, bytes } = await bytesOf(name);
        return toFloat32(info.dtype, bytes).slice(start, end);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function unpickle(bytes: Uint8Array, path: string): Pickled {
  try {
    return readPickle(bytes);
  } catch (cause) {
    const reason = cause instanceof PickleError ? cause.message : 'it is damaged';
    throw new CheckpointError(path, `its list of tensors cannot be read: ${reason}`, { cause });
  }
}

interface Entry {
  /** Of the content, from the start of the file */
  readonly offset: number;
  readonly size: number;
}

async function readAt(file: FileHandle, path: string, offset: number, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await file.read(bytes, done, size - done, offset + done);
    if (bytesRead === 0) throw new CheckpointError(path, 'is cut off');
    done += bytesRead;
  }
  return bytes;
}

/** The zip's table of contents. Entries of `torch.save` are stored, not compressed. */
async function readDirectory(file: FileHandle, path: string): Promise<Map<string, Entry>> {
  const damaged = () => new CheckpointError(path, 'is damaged, or older than PyTorch 1.6');
  const { size } = await file.stat();
  const tailSize = Math.min(size, 65_557 + 20);
  const tail = Buffer.from(await readAt(file, path, size - tailSize, tailSize));
  const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0 || end + 22 > tail.length) throw damaged();
  let count = tail.readUInt16LE(end + 10);
  let length = tail.readUInt32LE(end + 12);
  let start = tail.readUInt32LE(end + 16);
  if (end >= 20 && tail.readUInt32LE(end - 20) === 0x07064b50) {
    const at = Number(tail.readBigUInt64LE(end - 12));
    if (at + 56 > size) throw damaged();
    const wide = Buffer.from(await readAt(file, path, at, 56));
    count = Number(wide.readBigUInt64LE(32));
    length = Number(wide.readBigUInt64LE(40));
    start = Number(wide.readBigUInt64LE(48));
  }
  if (start + length > size || length > mostPickleBytes || count * 46 > length) throw damaged();
  const table = Buffer.from(await readAt(file, path, start, length));
  const entries = new Map<string, Entry>();
  for (let i = 0, at = 0; i < count; i++) {
    if (at + 46 > table.length || table.readUInt32LE(at) !== 0x02014b50) throw damaged();
    const method = table.readUInt16LE(at + 10);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => table.readUInt16LE(at + o)) as [
      number,
      number,
      number,
    ];
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > table.length) throw damaged();
    const name = table.toString('utf8', at + 46, at + 46 + nameLength);
    let bytes = table.readUInt32LE(at + 24);
    let header = table.readUInt32LE(at + 42);
    // Sizes beyond 32 bits stand in an extra field, in this order, where the short ones are all ones.
    for (let extra = at + 46 + nameLength; extra + 4 <= at + 46 + nameLength + extraLength; ) {
      const fieldLength = table.readUInt16LE(extra + 2);
      if (table.readUInt16LE(extra) === 1) {
        let place = extra + 4;
        const limit = Math.min(extra + 4 + fieldLength, table.length);
        const wide = (short: number) => {
          if (short !== 0xffffffff || place + 8 > limit) return short;
          place += 8;
          return Number(table.readBigUInt64LE(place - 8));
        };
        bytes = wide(bytes);
        if (table.readUInt32LE(at + 20) === 0xffffffff) place += 8;
        header = wide(header);
      }
      extra += 4 + fieldLength;
    }
    if (method !== 0) throw new CheckpointError(path, `${name} is compressed; save it with torch.save`);
    if (header + 30 > size) throw damaged();
    const local = Buffer.from(await readAt(file, path, header, 30));
    if (local.readUInt32LE(0) !== 0x04034b50) throw damaged();
    const offset = header + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
    if (offset + bytes > size) throw damaged();
    entries.set(name, { offset, size: bytes });
    at = next;
  }
  return entries;
}

const isCall = (value: Pickled | undefined): value is Call =>
  typeof value === 'object' && value !== null && 'callee' in value;

/** `_rebuild_tensor_v2(storage, offset, shape, strides, …)`, also as a parameter. */
function tensorInfo(
  name: Pickled,
  value: Pickled,
  root: string,
  entries: ReadonlyMap<string, Entry>,
): Info | undefined {
  if (typeof name !== 'string' || !isCall(value)) return undefined;
  if (value.callee === 'torch._utils._rebuild_parameter') {
    return tensorInfo(name, value.args[0] ?? null, root, entries);
  }
  if (value.callee !== 'torch._utils._rebuild_tensor_v2') return undefined;
  const [storage, first, shape, strides] = value.args;
  const reference =
    typeof storage === 'object' && storage !== null && 'persistent' in storage ? storage.persistent : null;
  if (!Array.isArray(reference) || reference[0] !== 'storage') return undefined;
  const kind = reference[1] as Pickled;
  const known = typeof kind === 'object' && kind !== null && 'name' in kind ? storages[kind.name] : undefined;
  const entry = entries.get(`${root}data/${String(reference[2])}`);
  if (known === undefined || entry === undefined) return undefined;
  if (!isSizes(shape) || !isSizes(strides) || strides.length !== shape.length) return undefined;
  if (typeof first !== 'number' || !Number.isSafeInteger(first) || first < 0) return undefined;
  let size = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    // Other strides are views that share numbers; weights are saved as they lie.
    if (shape[axis] !== 1 && strides[axis] !== size) return undefined;
    size *= shape[axis]!;
  }
  if ((first + size) * known.bytes > entry.size) return undefined;
  return {
    name,
    dtype: known.dtype,
    shape,
    size,
    byteOffset: entry.offset + first * known.bytes,
    byteLength: size * known.bytes,
  };
}

function isSizes(value: Pickled | undefined): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((size) => typeof size === 'number' && Number.isSafeInteger(size) && size >= 0)
  );
}

function toFloat32(dtype: string, bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fill = (width: number, read: (offset: number) => number) =>
    Float32Array.from({ length: bytes.length / width }, (_, i) => read(i * width));
  if (dtype === 'F32') return fill(4, (o) => view.getFloat32(o, true));
  if (dtype === 'F64') return fill(8, (o) => view.getFloat64(o, true));
  if (dtype === 'F16') return fill(2, (o) => half(view.getUint16(o, true)));
  const scratch = new DataView(new ArrayBuffer(4));
  return fill(2, (o) => {
    scratch.setUint16(0, view.getUint16(o, true));
    return scratch.getFloat32(0);
  });
}

/** IEEE 754 binary16 */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
