import type { SafetensorsInput } from '@gpt-lineage/vision-clip/safetensors';

/**
 * CRC-32 of every tensor's float32 bytes, as hex. They stand in the weights file itself, so weights and checksums are
 * always of the same moment.
 */
export async function checksumsOf(
  tensors: Readonly<Record<string, SafetensorsInput>>,
): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const [name, { data }] of Object.entries(tensors)) {
    sums[name] = checksum((typeof data === 'function' ? await data() : data) as Float32Array);
  }
  return sums;
}

const table = crcTables();

/** CRC-32 (IEEE 802.3), four bytes at a time. */
export function checksum(values: Float32Array): string {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const [t0, t1, t2, t3] = table as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  let crc = 0xffffffff;
  for (let i = 0; i < words.length; i++) {
    const x = crc ^ words[i]!;
    crc = t3[x & 255]! ^ t2[(x >>> 8) & 255]! ^ t1[(x >>> 16) & 255]! ^ t0[x >>> 24]!;
  }
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0');
}

function crcTables(): Uint32Array[] {
  const tables = Array.from({ length: 4 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[0]![byte] = crc;
  }
  for (let k = 1; k < 4; k++) {
    for (let byte = 0; byte < 256; byte++) {
      const previous = tables[k - 1]![byte]!;
      tables[k]![byte] = (previous >>> 8) ^ tables[0]![previous & 255]!;
    }
  }
  return tables;
}
