import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { clip } from '../src/encodings/clip.js';
import { type ByteLevelBPETokenizer, type EncodingName, getEncoding } from '../src/index.js';
import { fixtureLines, fixtureText, wellFormed } from './fixtures.js';

interface Case {
  kind: string;
  text: string;
  ids: number[];
  ids_special?: number[];
}

const runs = Number(process.env.FC_RUNS ?? 10_000);
const anyText = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  {
    weight: 3,
    arbitrary: fc
      .array(
        fc.constantFrom(
          ' ',
          '\n',
          '\r\n',
          '\t',
          "'s",
          "'LL",
          'Word',
          'word',
          'WORD',
          '12345',
          '你好',
          '...',
          'é',
          '́',
          '\u3000',
          '👩‍👩‍👧',
          '//',
          '\ufeff',
        ),
        { maxLength: 20 },
      )
      .map((parts) => parts.join('')),
  },
);

describe.each(['r50k_base', 'p50k_base', 'cl100k_base', 'o200k_base'] as EncodingName[])('%s', (name) => {
  let tokenizer: ByteLevelBPETokenizer;
  beforeAll(async () => {
    tokenizer = await getEncoding(name);
  });

  test('ids are those of tiktoken', () => {
    for (const { text, ids, ids_special = ids } of fixtureLines<Case>(name)) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.encodeOrdinary(text)).toEqual(ids);
      expect(tokenizer.encode(text, { allowedSpecial: 'all' }), JSON.stringify(text)).toEqual(ids_special);
      expect(tokenizer.count(text)).toBe(ids.length);
      expect([...tokenizer.encodeToUint32(text)]).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(wellFormed(text));
    }
  });

  test('decoding is that of tiktoken, also of cut characters and as a stream', () => {
    for (const { ids, bytes_hex, text } of fixtureLines<{ ids: number[]; bytes_hex: string; text: string }>(
      `${name}.decode`,
    )) {
      expect(Buffer.from(tokenizer.decodeBytes(ids)).toString('hex')).toBe(bytes_hex);
      expect(tokenizer.decode(ids)).toBe(text);
      const stream = tokenizer.decodeStream();
      let streamed = '';
      for (const id of ids) streamed += stream.write(id);
      expect(streamed + stream.end()).toBe(text);
    }
  });

  test('decode(encode(text)) is the text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const ids = tokenizer.encode(text);
        if (tokenizer.decode(ids) !== wellFormed(text)) expect(tokenizer.decode(ids)).toBe(wellFormed(text));
      }),
      { numRuns: runs, seed: 1 },
    );
  });

  test('decodeBytes(encodeBytes(bytes)) is the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(tokenizer.decodeBytes(tokenizer.encodeBytes(bytes))).toEqual(bytes);
      }),
      { numRuns: 1000, seed: 2 },
    );
  });

  test('long runs without a break', () => {
    for (const char of ['a', '_', ' ', 'é', '的', '\n', '0']) {
      const text = char.repeat(100_000);
      const ids = tokenizer.encode(text);
      expect(tokenizer.decode(ids)).toBe(text);
      expect(ids.length).toBeLessThan(200_001);
    }
  });

  test('every token decodes, holes and ids beyond do not', () => {
    let holes = 0;
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      try {
        if (tokenizer.tokenBytes(id).length === 0) expect.unreachable();
      } catch {
        holes++;
      }
    }
    expect(holes).toBe({ r50k_base: 0, p50k_base: 0, cl100k_base: 16, o200k_base: 19 }[name as 'r50k_base']);
    for (const id of [-1, tokenizer.vocabSize, 1.5, Number.NaN, 2 ** 40]) {
      expect(() => tokenizer.decode([id])).toThrow(/unknown token id/);
    }
  });
});

test.each([
  ['r50k_base', 1],
  ['cl100k_base', 2],
  ['o200k_base', 3],
] as const)('%s: mixtures of scripts, and damaged UTF-8, as tiktoken has them', async (name, column) => {
  const tokenizer = await getEncoding(name);
  for (const row of JSON.parse(fixtureText('mixed.json')) as [string, number[], number[], number[]][]) {
    expect(tokenizer.encode(row[0]), JSON.stringify(row[0])).toEqual(row[column]);
  }
  for (const row of JSON.parse(fixtureText('bytes.json')) as [string, number[], number[], number[]][]) {
    expect(tokenizer.encodeBytes(new Uint8Array(Buffer.from(row[0], 'hex'))), row[0]).toEqual(row[column]);
  }
});

test.each([
  ['clip_openai', 'openai'],
  ['clip_openclip', 'open_clip'],
] as const)('%s: ids are those of the reference', (name, specialTokens) => {
  const tokenizer = clip({ specialTokens });
  const plain = clip({ specialTokens, ftfy: false });
  for (const row of fixtureLines<Case & { clean: string; ids_without_ftfy?: number[] }>(name)) {
    expect(tokenizer.definition.normalizer!.normalize(row.text)).toBe(row.clean);
    expect(tokenizer.encode(row.text), JSON.stringify(row.text)).toEqual(row.ids);
    if (row.ids_without_ftfy !== undefined)
      expect(plain.encode(row.text), JSON.stringify(row.text)).toEqual(row.ids_without_ftfy);
  }
  expect(tokenizer.decode(tokenizer.encode('A photo of a Cat!'))).toBe('a photo of a cat !');
  // Folds to a letter and is none: no part of the reference's pattern matches it, so it is dropped, and parts words.
  expect(tokenizer.encode('ab\u0345cd')).toEqual(tokenizer.encode('ab cd'));
});

test('harmony has the special tokens of gpt-oss', async () => {
  const tokenizer = await getEncoding('o200k_harmony');
  expect(tokenizer.vocabSize).toBe(201_088);
  const text = '<|start|>user<|message|>Hi<|end|>';
  expect(tokenizer.encode(text, { allowedSpecial: 'all' })).toEqual([200006, 1428, 200008, 12194, 200007]);
  expect(tokenizer.decode([200018])).toBe('<|endofprompt|>');
});

test('gpt2 is r50k_base; unknown names are refused', async () => {
  expect(await getEncoding('gpt2')).toBe(await getEncoding('r50k_base'));
  await expect(getEncoding('toString' as EncodingName)).rejects.toThrow(/unknown encoding/);
});
