import {
  BLANK,
  CONTINUATION,
  codePointClasses,
  END,
  NEWLINE,
  wideCodePoint,
  widthOf,
} from './character-classes.js';

/**
 * Finds where the piece that starts at `at` ends. `bytes` is valid UTF-8 closed by the byte 0xFF (`END`), which
 * stands for the end of the text; `at` is before it and at the start of a character. A negative result means: up to
 * there, and drop it (only in encodings without whole-piece lookup, which are CLIP's).
 */
export type Scanner = (bytes: Uint8Array, at: number) => number;

/** The character tests that scanners share, over one byte table. */
export class CharacterTests {
  readonly table: Uint16Array;
  readonly classes: Uint8Array;

  constructor(table: Uint16Array) {
    this.table = table;
    this.classes = codePointClasses();
  }

  /** Class of the character at `at`, 0 at the end of the text. */
  classAt(bytes: Uint8Array, at: number): number {
    const byte = bytes[at]!;
    const known = this.table[byte]!;
    if (known !== 0 || byte === END) return known;
    return this.classes[wideCodePoint(bytes, at)]!;
  }

  /** End of the run of characters of the classes in `mask` that starts at `at`. */
  skip(bytes: Uint8Array, at: number, mask: number): number {
    const { table } = this;
    const own = mask | CONTINUATION;
    for (;;) {
      const byte = bytes[at]!;
      const known = table[byte]!;
      if ((known & own) !== 0) at++;
      else if (known !== 0 || byte === END) return at;
      else if ((this.classes[wideCodePoint(bytes, at)]! & mask) !== 0) at += widthOf(byte);
      else return at;
    }
  }

  /**
   * White space that no other alternative takes: `\s*[\r\n]+` (where `newlines` is set), `\s+(?!\S)`, `\s+`.
   */
  blanks(bytes: Uint8Array, at: number, newlines: boolean): number {
    const end = this.skip(bytes, at, BLANK);
    if (newlines) {
      for (let i = end - 1; i >= at; i--) if (this.table[bytes[i]!] === NEWLINE) return i + 1;
    }
    if (bytes[end] === END) return end;
    // The last blank goes with what follows it, unless it is the only one.
    let last = end - 1;
    while (this.table[bytes[last]!] === CONTINUATION) last--;
    return last > at ? last : end;
  }
}

/**
 * What most pieces are: perhaps a space, then letters of ASCII, followed by ASCII.
 *
 * @returns the end of such a piece at `at`, 0 when it is another
 */
export function plainWord(bytes: Uint8Array, at: number): number {
  let end = bytes[at]! === 0x20 ? at + 1 : at;
  let byte = bytes[end]! | 0x20;
  if (byte < 0x61 || byte > 0x7a) return 0;
  do byte = bytes[++end]! | 0x20;
  while (byte >= 0x61 && byte <= 0x7a);
  return byte < 0x80 ? end : 0;
}

/** Length of `'s 't 'm 'd 're 've 'll` at `at`, 0 when there is none. */
export function contraction(bytes: Uint8Array, at: number, ignoreCase: boolean): number {
  const fold = ignoreCase ? 0x20 : 0;
  const first = bytes[at + 1]! | fold;
  switch (first) {
    case 0x73: // s
    case 0x74: // t
    case 0x6d: // m
    case 0x64: // d
      return 2;
    case 0x72: // re
    case 0x76: // ve
      return (bytes[at + 2]! | fold) === 0x65 ? 3 : 0;
    case 0x6c: // ll
      return (bytes[at + 2]! | fold) === 0x6c ? 3 : 0;
  }
  // U+017F, the long s, is an s when case is ignored.
  return ignoreCase && bytes[at + 1] === 0xc5 && bytes[at + 2] === 0xbf ? 3 : 0;
}
