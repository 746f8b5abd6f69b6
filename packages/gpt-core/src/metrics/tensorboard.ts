/**
 * TensorBoard's event files: a stream of TFRecords (length, masked CRC-32C of the length, payload, masked
 * CRC-32C of the payload), each payload an `Event` protocol buffer with scalar summaries.
 */

/** The record every event file begins with. */
export function fileHeaderRecord(wallTimeSeconds: number): Uint8Array {
  return record(concat([double(1, wallTimeSeconds), bytes(3, new TextEncoder().encode('brain.Event:2'))]));
}

/** Scalars of one step. Tags such as `loss/train` are grouped by their first part. */
export function scalarsRecord(
  wallTimeSeconds: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, concat([bytes(1, new TextEncoder().encode(tag)), float(2, value)])),
  );
  return record(concat([double(1, wallTimeSeconds), varintField(2, step), bytes(5, concat(values))]));
}

/** A text shown under TensorBoard's "Text" tab: samples of the model. */
export function textRecord(wallTimeSeconds: number, step: number, tag: string, text: string): Uint8Array {
  const encoder = new TextEncoder();
  const stringType = varintField(1, 7); // DT_STRING
  const scalarShape = bytes(2, new Uint8Array());
  const tensor = concat([stringType, scalarShape, bytes(8, encoder.encode(text))]);
  const plugin = bytes(1, bytes(1, encoder.encode('text'))); // SummaryMetadata.plugin_data.plugin_name
  const value = concat([bytes(1, encoder.encode(tag)), bytes(9, plugin), bytes(8, tensor)]);
  return record(concat([double(1, wallTimeSeconds), varintField(2, step), bytes(5, bytes(1, value))]));
}

function record(payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(payload.length + 16);
  const view = new DataView(framed.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, Math.floor(payload.length / 2 ** 32), true);
  view.setUint32(8, maskedCrc(framed.subarray(0, 8)), true);
  framed.set(payload, 12);
  view.setUint32(12 + payload.length, maskedCrc(payload), true);
  return framed;
}

function key(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function double(field: number, value: number): Uint8Array {
  const out = new Uint8Array(9);
  out[0] = key(field, 1);
  new DataView(out.buffer).setFloat64(1, value, true);
  return out;
}

function float(field: number, value: number): Uint8Array {
  const out = new Uint8Array(5);
  out[0] = key(field, 5);
  new DataView(out.buffer).setFloat32(1, value, true);
  return out;
}

function varintField(field: number, value: number): Uint8Array {
  return concat([Uint8Array.of(key(field, 0)), varint(value)]);
}

function bytes(field: number, content: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(key(field, 2)), varint(content.length), content]);
}

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return Uint8Array.from(out);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** CRC-32C (Castagnoli), reflected polynomial 0x82f63b78. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord rotates and offsets its checksums, so that a record inside a record still checks out. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
