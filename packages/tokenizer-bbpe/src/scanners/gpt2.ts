import { byteClasses, LETTER, MARK, NUMBER, OTHER } from './character-classes.js';
import { CharacterTests, contraction, plainWord, type Scanner } from './scanner.js';

/**
 * The split of GPT-2 and GPT-3 (r50k_base, p50k_base):
 * `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
 */
export function gpt2Scanner(): Scanner {
  const tests = new CharacterTests(byteClasses([LETTER, NUMBER, MARK | OTHER]));
  return (bytes, at) => {
    const plain = plainWord(bytes, at);
    if (plain > 0) return plain;
    const first = bytes[at]!;
    if (first === 0x27) {
      const length = contraction(bytes, at, false);
      if (length > 0) return at + length;
    }
    const start = first === 0x20 ? at + 1 : at;
    const kind = tests.classAt(bytes, start);
    if ((kind & LETTER) !== 0) return tests.skip(bytes, start, LETTER);
    if ((kind & NUMBER) !== 0) return tests.skip(bytes, start, NUMBER);
    if ((kind & (MARK | OTHER)) !== 0) return tests.skip(bytes, start, MARK | OTHER);
    return tests.blanks(bytes, at, false);
  };
}
