/** Writers of the Protocol Buffers wire format: enough for the messages of TensorFlow and ONNX. */

const text = new TextEncoder();

export type Bytes = Uint8Array;

export function concatBytes(parts: readonly Bytes[]): Bytes {
  let size = 0;
  for (const part of parts) size += part.length;
  const out = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

function rawVarint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    out.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return out;
}

/** Field of type int32, int64, uint64, bool or enum. */
export function varint(field: number, value: number | bigint): Bytes {
  return Uint8Array.from([...rawVarint(field << 3), ...rawVarint(value)]);
}

/** Field of type bytes or an embedded message. */
export function bytes(field: number, value: Bytes | readonly Bytes[]): Bytes {
  const body = value instanceof Uint8Array ? value : concatBytes(value);
  return concatBytes([Uint8Array.from([...rawVarint((field << 3) | 2), ...rawVarint(body.length)]), body]);
}

export function string(field: number, value: string): Bytes {
  return bytes(field, text.encode(value));
}

export function float(field: number, value: number): Bytes {
  const out = new Uint8Array(rawVarint((field << 3) | 5).length + 4);
  const head = rawVarint((field << 3) | 5);
  out.set(head);
  new DataView(out.buffer).setFloat32(head.length, value, true);
  return out;
}

/** Repeated integers in packed form. */
export function packed(field: number, values: readonly number[]): Bytes {
  return bytes(field, Uint8Array.from(values.flatMap((value) => rawVarint(value))));
}

/** Entries of `map<string, message>`, in the order given. */
export function stringMap<T>(
  field: number,
  entries: Iterable<readonly [string, T]>,
  write: (value: T) => Bytes,
): Bytes {
  const parts: Bytes[] = [];
  for (const [key, value] of entries) parts.push(bytes(field, [string(1, key), bytes(2, write(value))]));
  return concatBytes(parts);
}

/** The bytes behind a typed array. */
export function rawBytes(values: ArrayBufferView): Bytes {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
