import { unicodeClassRuns } from '../../data/unicode-classes.js';
import { readNumbers } from '../encodings/packed-numbers.js';

/** `\p{Lu}` and `\p{Lt}`. */
export const UPPER = 1;
/** `\p{Ll}`. */
export const LOWER = 2;
/** `\p{Lm}` and `\p{Lo}`. */
export const UNCASED = 4;
/** `\p{M}`. */
export const MARK = 8;
/** `\p{N}`. */
export const NUMBER = 16;
/** `\s` (Unicode White_Space), all but CR and LF. */
export const SPACE = 32;
/** CR and LF. */
export const NEWLINE = 64;
/** Everything else, unassigned code points included. */
export const OTHER = 128;
/** In byte tables only: the second to fourth byte of a character. Runs step over it. */
export const CONTINUATION = 256;

export const LETTER = UPPER | LOWER | UNCASED;
export const BLANK = SPACE | NEWLINE;

/** Ends every buffer that is scanned; never part of UTF-8. */
export const END = 0xff;

let codePoints: Uint8Array | undefined;

/** One class per code point. */
export function codePointClasses(): Uint8Array {
  if (codePoints !== undefined) return codePoints;
  const flags = [OTHER, UPPER, LOWER, UNCASED, MARK, NUMBER, SPACE];
  const classes = new Uint8Array(0x110000);
  const runs = new Int32Array(unicodeClassRuns.length >> 1);
  const count = readNumbers(unicodeClassRuns, runs);
  let at = 0;
  for (let run = 0; run < count; run++) {
    const length = runs[run]! >> 3;
    classes.fill(flags[runs[run]! & 7]!, at, at + length);
    at += length;
  }
  classes[10] = NEWLINE;
  classes[13] = NEWLINE;
  codePoints = classes;
  return classes;
}

/**
 * The class of every byte value: of the character itself for ASCII; for the first byte of a longer character, the
 * class that all of its characters share, given that `groups` are not told apart, or 0 for "look at the character".
 */
export function byteClasses(groups: readonly number[]): Uint16Array {
  const classes = codePointClasses();
  const table = new Uint16Array(256);
  table.set(classes.subarray(0, 128));
  table.fill(CONTINUATION, 0x80, 0xc0);
  // Four-byte characters are rare and never of one class.
  for (let lead = 0xc2; lead < 0xf0; lead++) {
    const [from, to] = codePointsOf(lead);
    const seen = classesSeen(classes, from, to);
    if (groups.some((group) => (seen & ~group) === 0)) table[lead] = seen;
  }
  return table;
}

function classesSeen(classes: Uint8Array, from: number, to: number): number {
  let seen = 0;
  for (let c = from; c < to; c++) seen |= classes[c]!;
  return seen;
}

/** The code points whose UTF-8, of two or three bytes, begins with `lead`. */
function codePointsOf(lead: number): [from: number, to: number] {
  if (lead < 0xe0) return [(lead & 31) << 6, ((lead & 31) + 1) << 6];
  return [Math.max(0x800, (lead & 15) << 12), ((lead & 15) + 1) << 12];
}

/** Bytes of the character that begins with `lead`, in valid UTF-8. */
export function widthOf(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/** The code point of more than one byte at `at`. */
export function wideCodePoint(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0xe0) return ((lead & 31) << 6) | (bytes[at + 1]! & 63);
  if (lead < 0xf0) return ((lead & 15) << 12) | ((bytes[at + 1]! & 63) << 6) | (bytes[at + 2]! & 63);
  return (
    ((lead & 7) << 18) | ((bytes[at + 1]! & 63) << 12) | ((bytes[at + 2]! & 63) << 6) | (bytes[at + 3]! & 63)
  );
}
