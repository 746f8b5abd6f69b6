/**
 * The colour that a GIF's first frame has for its transparent pixels. Pillow shows it when transparency is dropped;
 * decoders leave black.
 *
 * @param bytes the file, or enough of its beginning
 * @returns undefined when nothing is transparent, or the first frame begins later
 */
export function transparentColor(bytes: Uint8Array): readonly [number, number, number] | undefined {
  const tableAt = (at: number, flags: number) => (flags & 0x80 ? { at, size: 2 << (flags & 7) } : undefined);
  const global = tableAt(13, bytes[10] ?? 0);
  let at = 13 + 3 * (global?.size ?? 0);
  let index: number | undefined;
  while (at + 10 <= bytes.length) {
    if (bytes[at] === 0x2c) {
      const table = tableAt(at + 10, bytes[at + 9]!) ?? global;
      if (index === undefined || table === undefined || index >= table.size) return undefined;
      const color = bytes.subarray(table.at + 3 * index, table.at + 3 * index + 3);
      return color.length === 3 ? [color[0]!, color[1]!, color[2]!] : undefined;
    }
    if (bytes[at] !== 0x21) return undefined;
    // Graphic control extension: length 4, flags, delay, transparent index.
    if (bytes[at + 1] === 0xf9 && bytes[at + 3]! & 1) index = bytes[at + 6];
    at += 2;
    while (bytes[at]) at += bytes[at]! + 1; // sub-blocks, up to an empty one
    at += 1;
  }
  return undefined;
}
