import { BLANK, byteClasses, LETTER, MARK, NEWLINE, NUMBER, OTHER, widthOf } from './character-classes.js';
import { CharacterTests, contraction, plainWord, type Scanner } from './scanner.js';

/**
 * The split of GPT-3.5 and GPT-4 (cl100k_base):
 * `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
 */
export function cl100kScanner(): Scanner {
  const tests = new CharacterTests(byteClasses([LETTER, NUMBER, MARK | OTHER]));
  return (bytes, at) => {
    const plain = plainWord(bytes, at);
    if (plain > 0) return plain;
    const first = bytes[at]!;
    const kind = tests.classAt(bytes, at);
    if ((kind & LETTER) !== 0) return tests.skip(bytes, at, LETTER);
    if ((kind & NUMBER) !== 0) return upToThreeNumbers(tests, bytes, at);
    if ((kind & NEWLINE) !== 0) return tests.blanks(bytes, at, true);
    if (first === 0x27) {
      const length = contraction(bytes, at, true);
      if (length > 0) return at + length;
    }
    const second = at + widthOf(first);
    const kind2 = tests.classAt(bytes, second);
    if ((kind2 & LETTER) !== 0) return tests.skip(bytes, second, LETTER);
    if ((kind & BLANK) === 0) {
      return tests.skip(bytes, tests.skip(bytes, second, MARK | OTHER), NEWLINE);
    }
    if (first === 0x20 && (kind2 & (MARK | OTHER)) !== 0) {
      return tests.skip(bytes, tests.skip(bytes, second, MARK | OTHER), NEWLINE);
    }
    return tests.blanks(bytes, at, true);
  };
}

/** `\p{N}{1,3}`. */
export function upToThreeNumbers(tests: CharacterTests, bytes: Uint8Array, at: number): number {
  let end = at + widthOf(bytes[at]!);
  if ((tests.classAt(bytes, end) & NUMBER) === 0) return end;
  end += widthOf(bytes[end]!);
  if ((tests.classAt(bytes, end) & NUMBER) === 0) return end;
  return end + widthOf(bytes[end]!);
}
