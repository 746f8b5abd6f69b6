import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PatternName, patterns } from '../src/index.js';
import { knownPattern, scannerOf, toRegExp } from '../src/patterns.js';
import { Utf8Buffer, validUtf8Length } from '../src/utf8.js';
import { WINDOW, windowEnd } from '../src/windows.js';
import { fixtureLines } from './fixtures.js';

const names = ['gpt2', 'cl100k', 'o200k'] as const;
const buffer = new Utf8Buffer();

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const scanners = Object.fromEntries(
  Object.keys(patterns).map((name) => [name, scannerOf(name as PatternName)]),
);

/** The pieces of a text, with marks between them; what a scanner drops is left out. */
function scanned(name: PatternName, text: string): string {
  buffer.write(text);
  const pieces: string[] = [];
  for (let at = 0; at < buffer.length; ) {
    const end = scanners[name]!(buffer.bytes, at);
    if (Math.abs(end) <= at) throw new Error(`no progress at ${at} of ${JSON.stringify(text)}`);
    if (end > 0) pieces.push(decoder.decode(buffer.bytes.subarray(at, end)));
    at = Math.abs(end);
  }
  return pieces.join('¦');
}

function matched(regExp: RegExp, text: string): string {
  return (text.match(regExp) ?? []).join('¦');
}

/**
 * Characters whose classes no Unicode version changes. The scanners have their own table (tiktoken's), the regular
 * expressions that of the engine.
 */
const character = fc.constantFrom(
  ...'aZéÉßſǅʰªº中あ한ا٣²½Ⅷ_-\'"/.,!?<|>()€💡\u0301\u0903\u200d\ufeff\u0085\u00a0\u3000\u2028 \t\n\r\v\x1c\0',
  "'s",
  "'S",
  "'ſ",
  "'t",
  "'ll",
  "'LL",
  "'ve",
  "'Re",
  "'m",
  "'D",
  "'l",
  "'v",
  'İ',
  'ı',
  '\u{1d400}',
  '\u{10ffff}',
  '\ufffd',
  'Ა',
  'ა',
);

test.each(names)('%s: the scanner cuts where the regular expression does', (name) => {
  const regExp = toRegExp(patterns[name]);
  fc.assert(
    fc.property(fc.array(character, { maxLength: 16 }), (characters) => {
      const text = characters.join('');
      expect(scanned(name, text)).toBe(matched(regExp, text));
    }),
    { numRuns: 6000, seed: 6 },
  );
  for (const { kind, text } of fixtureLines<{ kind: string; text: string }>('r50k_base')) {
    if (kind.startsWith('random') || /[\ud800-\udfff]/u.test(text)) continue;
    expect(scanned(name, text), JSON.stringify(text)).toBe(matched(regExp, text));
  }
});

test('CLIP: the same, without the white space', () => {
  const regExp = toRegExp(`(?i:${patterns.clip})`);
  fc.assert(
    fc.property(fc.array(character, { maxLength: 16 }), (characters) => {
      const text = characters.join('');
      expect(scanned('clip', text)).toBe(matched(regExp, text));
    }),
    { numRuns: 3000, seed: 7 },
  );
});

test.each(names)('%s: a text may be cut where windows end', (name) => {
  fc.assert(
    fc.property(
      fc.array(character, { maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      (characters, size) => {
        const text = characters.join('');
        const pieces: string[] = [];
        for (let at = 0; at < text.length; ) {
          const end = windowEnd(text, at, size);
          pieces.push(scanned(name, text.slice(at, end)));
          at = end;
        }
        expect(pieces.join('¦')).toBe(scanned(name, text));
      },
    ),
    { numRuns: 2000, seed: 8 },
  );
  expect(windowEnd('a'.repeat(10 * WINDOW), 0, WINDOW)).toBe(10 * WINDOW);
});

test('other spellings of the patterns are recognised', () => {
  expect(knownPattern(patterns.o200k)).toBe('o200k');
  expect(
    knownPattern("'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s"),
  ).toBe('gpt2');
  expect(knownPattern('\\w+')).toBeUndefined();
});

test('patterns are carried over to JavaScript', () => {
  expect(toRegExp('a++|b*+|c?+|\\p{L}++|[a+]+|x{2,3}+|\\++').source).toBe(
    'a+|b*|c?|\\p{L}+|[a+]+|x{2,3}|\\++',
  );
  expect("'S".match(toRegExp("(?i:'s)"))).toEqual(["'S"]);
  expect('\u0085\ufeff'.match(toRegExp('\\s+'))).toEqual(['\u0085']);
  expect('中a'.match(toRegExp('\\p{Han}+|[^\\s]'))).toEqual(['中', 'a']);
  expect(() => toRegExp('(?<=')).toThrow(/pattern/);
});

test('valid UTF-8 is told from invalid', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const length = validUtf8Length(bytes);
      const decoder = new TextDecoder('utf-8', { fatal: true });
      expect(() => decoder.decode(bytes.subarray(0, length))).not.toThrow();
      if (length < bytes.length) expect(() => decoder.decode(bytes)).toThrow();
    }),
    { numRuns: 2000, seed: 9 },
  );
  const bytes = new TextEncoder().encode('aé€😀');
  for (const [cut, valid] of [
    [0, 0],
    [1, 1],
    [2, 1],
    [3, 3],
    [5, 3],
    [6, 6],
    [9, 6],
    [10, 10],
  ]) {
    expect(validUtf8Length(bytes.subarray(0, cut))).toBe(valid);
  }
});
