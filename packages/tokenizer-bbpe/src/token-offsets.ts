/** Where a token lies in the text. */
export interface TokenOffset {
  id: number;
  /** First UTF-16 unit; for a token that begins inside a character, that character's. */
  start: number;
  /** After the last UTF-16 unit; for a token that ends inside a character, after that character. */
  end: number;
  /** First byte, and after the last byte, of the text as UTF-8. */
  byteStart: number;
  byteEnd: number;
}

/** Walks along the text and its ids together. */
export function tokenOffsets(
  text: string,
  ids: readonly number[],
  lengthOf: (id: number) => number,
): TokenOffset[] {
  const offsets: TokenOffset[] = new Array(ids.length);
  let unit = 0; // UTF-16 unit at which the character under way begins
  let characterEnd = 0; // and after it, in bytes
  let nextUnit = 0;
  let byte = 0;
  const advanceTo = (target: number) => {
    while (characterEnd <= target && nextUnit < text.length) {
      unit = nextUnit;
      const code = text.codePointAt(nextUnit)!;
      nextUnit += code > 0xffff ? 2 : 1;
      characterEnd += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    }
  };
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    const byteEnd = byte + lengthOf(id);
    advanceTo(byte);
    const start = characterEnd <= byte ? nextUnit : unit;
    advanceTo(byteEnd - 1);
    offsets[i] = { id, start, end: nextUnit, byteStart: byte, byteEnd };
    byte = byteEnd;
  }
  return offsets;
}
