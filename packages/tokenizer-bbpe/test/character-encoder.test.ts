import { MergeTable } from '@gpt-lineage/tokenizer-bpe';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteLevelBPETokenizer, type EncodingName, getEncoding } from '../src/index.js';
import { patterns } from '../src/patterns.js';
import { PieceEncoder } from '../src/piece-encoder.js';
import type { Scanner } from '../src/scanners/scanner.js';
import { Utf8Buffer } from '../src/utf8.js';
import { fixtureText } from './fixtures.js';

const runs = Number(process.env.FC_RUNS ?? 10_000);
const whole: Scanner = (bytes, at) => bytes.indexOf(0xff, at);

/** The same vocabulary without any shortcut: byte-pair merging of the text as one piece. */
function byMergesAlone({ definition: { vocabulary } }: ByteLevelBPETokenizer): (text: string) => number[] {
  const { lefts, rights, results } = vocabulary;
  const encoder = new PieceEncoder({
    vocabulary,
    merges: new MergeTable(lefts, rights, results),
    cacheSize: 0,
  });
  const buffer = new Utf8Buffer();
  return (text) => {
    if (text === '') return [];
    buffer.write(text);
    const count = encoder.encode(buffer.bytes, buffer.view, buffer.length, whole);
    return [...encoder.out.subarray(0, count)];
  };
}

/** The same with all shortcuts. */
function byCharacters({ definition: { vocabulary } }: ByteLevelBPETokenizer): (text: string) => number[] {
  const tokenizer = new ByteLevelBPETokenizer({
    vocabulary,
    pattern: patterns.cl100k,
    wholePieces: true,
    specialTokens: new Map(),
    scanner: whole,
  });
  return (text) => tokenizer.encodeOrdinary(text);
}

/** Fragments that merges like to reach over: tokens with characters beyond ASCII, whole and cut. */
function fragments(tokenizer: ByteLevelBPETokenizer): string[] {
  const all: string[] = [];
  for (let id = 256; id < tokenizer.definition.vocabulary.offsets.length - 1; id++) {
    const text =
      tokenizer.definition.vocabulary.offsets[id + 1]! > tokenizer.definition.vocabulary.offsets[id]!
        ? tokenizer.decode([id]).replaceAll('\ufffd', '')
        : '';
    if (/[^\0-\u{7f}]/u.test(text)) all.push(text);
  }
  return all;
}

test.each(['r50k_base', 'cl100k_base', 'o200k_base'] as EncodingName[])(
  '%s: characters are encoded as the merge loop encodes their bytes',
  async (name) => {
    const tokenizer = await getEncoding(name);
    const reference = byMergesAlone(tokenizer);
    const encode = byCharacters(tokenizer);
    const known = fragments(tokenizer);
    const wide = fc.oneof(
      { weight: 3, arbitrary: fc.nat(known.length - 1).map((i) => known[i]!) },
      { weight: 2, arbitrary: fc.integer({ min: 0x4e00, max: 0x9fff }).map((c) => String.fromCodePoint(c)) },
      { weight: 1, arbitrary: fc.integer({ min: 0x3040, max: 0x30ff }).map((c) => String.fromCodePoint(c)) },
      { weight: 1, arbitrary: fc.integer({ min: 0xac00, max: 0xd7a3 }).map((c) => String.fromCodePoint(c)) },
      { weight: 1, arbitrary: fc.integer({ min: 0xff00, max: 0xff65 }).map((c) => String.fromCodePoint(c)) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 2 }) },
      { weight: 1, arbitrary: fc.constantFrom(' ', 'a', 'é', '\u200d', '👩', '의', '。', 'の', '\n') },
    );
    fc.assert(
      fc.property(fc.constantFrom('', ' ', '('), fc.array(wide, { maxLength: 12 }), (prefix, parts) => {
        const text = `${prefix}${parts.join('')}`;
        expect(encode(text), JSON.stringify(text)).toEqual(reference(text));
      }),
      { numRuns: runs, seed: 3 },
    );
    for (const [text] of JSON.parse(fixtureText('mixed.json')) as [string][]) {
      expect(encode(text), JSON.stringify(text)).toEqual(reference(text));
    }
  },
);
