import { BLANK, byteClasses, LETTER, MARK, NUMBER, OTHER, widthOf } from './character-classes.js';
import { CharacterTests, contraction, type Scanner } from './scanner.js';

/**
 * CLIP's split, case ignored: `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`. White space matches
 * nothing and is dropped: its end is returned as a negative number.
 */
export function clipScanner(): Scanner {
  const tests = new CharacterTests(byteClasses([LETTER, NUMBER, MARK | OTHER]));
  return (bytes, at) => {
    const first = bytes[at]!;
    if (first === 0x27) {
      const length = contraction(bytes, at, true);
      if (length > 0) return at + length;
    }
    const kind = tests.classAt(bytes, at);
    if ((kind & LETTER) !== 0) return tests.skip(bytes, at, LETTER);
    if ((kind & NUMBER) !== 0) return at + widthOf(first);
    if ((kind & BLANK) !== 0) return -tests.skip(bytes, at, BLANK);
    return tests.skip(bytes, at, MARK | OTHER);
  };
}
