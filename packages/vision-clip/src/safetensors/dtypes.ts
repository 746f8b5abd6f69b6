import { SafetensorsError } from './errors.js';

/** Element types of the format that we read and write; the rest of the format's list is refused by name. */
export type SafetensorsDtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL';

/** `F16` and `BF16` arrive as raw 16-bit patterns in a `Uint16Array`; `BOOL` as 0/1 bytes. */
export type SafetensorsArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

type ArrayConstructor = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): SafetensorsArray;
};

/** Ordered as the reference writer orders tensors in a file: widest alignment first. */
export const dtypeTable: Record<SafetensorsDtype, { bytes: number; rank: number; array: ArrayConstructor }> =
  {
    U64: { bytes: 8, rank: 0, array: BigUint64Array },
    I64: { bytes: 8, rank: 1, array: BigInt64Array },
    F64: { bytes: 8, rank: 2, array: Float64Array },
    F32: { bytes: 4, rank: 3, array: Float32Array },
    U32: { bytes: 4, rank: 4, array: Uint32Array },
    I32: { bytes: 4, rank: 5, array: Int32Array },
    BF16: { bytes: 2, rank: 6, array: Uint16Array },
    F16: { bytes: 2, rank: 7, array: Uint16Array },
    U16: { bytes: 2, rank: 8, array: Uint16Array },
    I16: { bytes: 2, rank: 9, array: Int16Array },
    I8: { bytes: 1, rank: 10, array: Int8Array },
    U8: { bytes: 1, rank: 11, array: Uint8Array },
    BOOL: { bytes: 1, rank: 12, array: Uint8Array },
  };

export function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(dtypeTable, value);
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The format is little-endian; on a big-endian machine the bytes of every element are turned round. */
export function toHostOrder(bytes: Uint8Array, elementBytes: number): Uint8Array {
  if (littleEndian || elementBytes === 1) return bytes;
  const turned = bytes.slice();
  for (let start = 0; start < turned.length; start += elementBytes) {
    turned.subarray(start, start + elementBytes).reverse();
  }
  return turned;
}

/** Views `bytes` as the typed array of `dtype`, copying only when they are not aligned. */
export function viewAs(dtype: SafetensorsDtype, bytes: Uint8Array): SafetensorsArray {
  const { bytes: width, array: Constructor } = dtypeTable[dtype];
  let source = toHostOrder(bytes, width);
  if (source.byteOffset % width !== 0) source = source.slice();
  return new Constructor(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength / width);
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** IEEE binary16 bit pattern to number. */
function halfToFloat(half: number): number {
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halfTable: Float32Array | undefined;

/** Any real dtype as float32. 64-bit integers and doubles are rounded. */
export function asFloat32(dtype: SafetensorsDtype, data: SafetensorsArray): Float32Array {
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(data.length);
  if (dtype === 'BF16') {
    const outBits = new Uint32Array(out.buffer);
    const source = data as Uint16Array;
    for (let i = 0; i < source.length; i++) outBits[i] = source[i]! << 16;
    return out;
  }
  if (dtype === 'F16') {
    halfTable ??= Float32Array.from({ length: 65536 }, (_, pattern) => halfToFloat(pattern));
    const source = data as Uint16Array;
    for (let i = 0; i < source.length; i++) out[i] = halfTable[source[i]!]!;
    return out;
  }
  for (let i = 0; i < data.length; i++) out[i] = Number(data[i]);
  return out;
}

/** Rounds float32 to a bfloat16 pattern, half to even; NaN stays NaN. */
export function toBFloat16(data: Float32Array): Uint16Array {
  const out = new Uint16Array(data.length);
  const source = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (let i = 0; i < source.length; i++) {
    const pattern = source[i]!;
    const notANumber = (pattern & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (pattern >>> 16) | 0x40 : (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** Rounds float32 to a binary16 pattern, half to even; beyond 65504 becomes infinity. */
export function toFloat16(data: Float32Array): Uint16Array {
  const out = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    float[0] = data[i]!;
    const pattern = bits[0]!;
    const sign = (pattern >>> 16) & 0x8000;
    const magnitude = pattern & 0x7fffffff;
    if (magnitude >= 0x7f800000) {
      out[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
    } else if (magnitude >= 0x477ff000) {
      out[i] = sign | 0x7c00;
    } else if (magnitude >= 0x38800000) {
      const rebased = magnitude - 0x38000000; // exponent bias 127 -> 15
      out[i] = sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
    } else {
      // Subnormal half: multiples of 2^-24; adding 0.5 makes float32 arithmetic round half to even for us.
      float[0] = Math.abs(data[i]!) + 0.5;
      out[i] = sign | (bits[0]! - 0x3f000000);
    }
  }
  return out;
}

/** The bytes to write for `data` declared as `dtype`; float32 data may be declared `F16` or `BF16`. */
export function encodeAs(name: string, dtype: SafetensorsDtype, data: SafetensorsArray): Uint8Array {
  let array = data;
  if (data instanceof Float32Array && dtype === 'BF16') array = toBFloat16(data);
  if (data instanceof Float32Array && dtype === 'F16') array = toFloat16(data);
  const { array: Expected, bytes } = dtypeTable[dtype];
  if (!(array instanceof (Expected as unknown as new () => object))) {
    throw new SafetensorsError(name, `dtype ${dtype} cannot be written from a ${array.constructor.name}`);
  }
  return toHostOrder(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), bytes);
}
