import {
  BLANK,
  byteClasses,
  CONTINUATION,
  LETTER,
  LOWER,
  MARK,
  NEWLINE,
  NUMBER,
  OTHER,
  SPACE,
  UNCASED,
  UPPER,
  widthOf,
} from './character-classes.js';
import { upToThreeNumbers } from './cl100k.js';
import { CharacterTests, contraction, type Scanner } from './scanner.js';

/** Counts as upper and as lower case: `\p{Lm}\p{Lo}\p{M}`. */
const EITHER = UNCASED | MARK;

/**
 * The split of GPT-4o (o200k_base), which cuts words where lower case turns to upper case:
 *
 *     [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
 *     |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
 *     |\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
export function o200kScanner(): Scanner {
  const tests = new CharacterTests(byteClasses([UPPER, LOWER, UNCASED, MARK, NUMBER, SPACE, OTHER]));
  const { table } = tests;

  /** The first alternative from `start` on, without its prefix and its contraction; `start` when it fails. */
  function wordWithLower(bytes: Uint8Array, start: number): number {
    const upper = tests.skip(bytes, start, UPPER | EITHER);
    const end = tests.skip(bytes, upper, LOWER | EITHER);
    if (end > upper) return end;
    // No lower-case letter follows: give characters back until one that may stand for it.
    for (let next = upper; next > start; ) {
      let i = next - 1;
      while (table[bytes[i]!] === CONTINUATION) i--;
      if ((tests.classAt(bytes, i) & EITHER) !== 0) return next;
      next = i;
    }
    return start;
  }

  /** A word from `start` on by either alternative; `start` when there is none. */
  function word(bytes: Uint8Array, start: number): number {
    const end = wordWithLower(bytes, start);
    return end > start ? end : tests.skip(bytes, start, UPPER);
  }

  function withContraction(bytes: Uint8Array, end: number): number {
    return bytes[end] === 0x27 ? end + contraction(bytes, end, true) : end;
  }

  return (bytes, at) => {
    const first = bytes[at]!;
    // Most pieces: perhaps a space, perhaps a capital, small letters, all ASCII and followed by ASCII.
    let plain = first === 0x20 ? at + 1 : at;
    let byte = bytes[plain]!;
    if (byte >= 0x41 && byte <= 0x5a) byte = bytes[++plain]!;
    if (byte >= 0x61 && byte <= 0x7a) {
      do byte = bytes[++plain]!;
      while (byte >= 0x61 && byte <= 0x7a);
      if (byte < 0x80 && byte !== 0x27) return plain;
    }
    const kind = tests.classAt(bytes, at);
    if ((kind & LETTER) !== 0) return withContraction(bytes, word(bytes, at));
    if ((kind & NUMBER) !== 0) return upToThreeNumbers(tests, bytes, at);
    if ((kind & NEWLINE) !== 0) return tests.blanks(bytes, at, true);

    const second = at + widthOf(first);
    const kind2 = tests.classAt(bytes, second);
    if ((kind & MARK) !== 0) {
      // A mark may be the prefix of a word or its beginning.
      const end = wordWithLower(bytes, second);
      return withContraction(bytes, end > second ? end : wordWithLower(bytes, at));
    }
    if ((kind2 & (LETTER | MARK)) !== 0) return withContraction(bytes, word(bytes, second));
    if ((kind & BLANK) === 0 || (first === 0x20 && (kind2 & OTHER) !== 0)) {
      let end = tests.skip(bytes, second, MARK | OTHER);
      while (table[bytes[end]!] === NEWLINE || bytes[end] === 0x2f) end++;
      return end;
    }
    return tests.blanks(bytes, at, true);
  };
}
