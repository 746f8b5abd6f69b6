import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { BPETokenizer, GptLineageError, type Preprocessor, TrainingAbortedError } from '../src/index.js';
import { fixtureLines, fixtureText, wellFormed } from './fixtures.js';

const vocab = JSON.parse(fixtureText('encoder_bpe_40000.json')) as Record<string, number>;
const merges = fixtureText('vocab_40000.bpe');
const gpt1 = BPETokenizer.fromVocab(vocab, merges);

describe('GPT-1, as Hugging Face has it', () => {
  test('words, ids and decoded text', () => {
    for (const row of fixtureLines<{ text: string; words: string[]; ids: number[]; decoded: string }>(
      'gpt1_hf',
    )) {
      expect(gpt1.encode(row.text), JSON.stringify(row.text)).toEqual(row.ids);
      expect(gpt1.count(row.text)).toBe(row.ids.length);
      expect(gpt1.decode(row.ids)).toBe(row.decoded);
    }
  });

  test('marks and punctuation newer than Unicode 8 are plain characters, as for the reference', () => {
    // Adlam vowels (Mn) and exclamation mark (Po) of Unicode 9, U+2E4F (Po) of 12: one word, all of it unknown.
    expect(gpt1.encode('\u{1e944}\u{1e95e}\u2e4f')).toHaveLength(3);
    expect(gpt1.encode('ab\u2e4fcd')).not.toEqual(gpt1.encode('ab \u2e4f cd'));
    // U+1734 was a mark then, U+166D punctuation.
    expect(gpt1.encode('ab\u1734cd')).toEqual(gpt1.encode('abcd'));
    expect(gpt1.encode('ab\u166dcd')).toEqual(gpt1.encode('ab \u166d cd'));
  });

  test('vocabulary and merges are what was given', () => {
    expect(gpt1.vocabSize).toBe(40_478);
    expect(gpt1.vocab).toEqual(vocab);
    expect(gpt1.merges).toHaveLength(40_000);
    expect(gpt1.merges[0]).toBe('t h');
    const again = BPETokenizer.fromVocab(gpt1.vocab, gpt1.merges);
    expect(again.fingerprint).toBe(gpt1.fingerprint);
    expect(BPETokenizer.fromVocab(vocab, merges, { preprocess: 'lossless' }).fingerprint).not.toBe(
      gpt1.fingerprint,
    );
  });

  test('a long word takes no quadratic time', () => {
    const ids = gpt1.encode('a'.repeat(300_000));
    expect(gpt1.decode(ids)).toBe('a'.repeat(300_000));
  });

  test('unknown characters are <unk>, and <unk> in a text is itself', () => {
    expect(gpt1.encode('\u1f3b')).not.toContain(undefined);
    expect(gpt1.encode('☃<unk>')).toEqual([0, 0]);
    expect(() => gpt1.decode([40_478])).toThrow(/unknown token id 40478/);
    expect(() => gpt1.encode(5 as unknown as string)).toThrow(/text: expected a string/);
  });

  test('a preprocessor of your own', () => {
    const upper: Preprocessor = { name: 'commas', words: (text) => text.split(',') };
    const own = BPETokenizer.fromVocab(vocab, merges, { preprocess: upper });
    expect(own.decode(own.encode('the,cat'))).toBe('the cat');
  });
});

describe('training', () => {
  const text =
    'low low low low low lower lower newest newest newest newest newest newest widest widest widest';

  test("Sennrich et al.'s example", async () => {
    const tokenizer = await BPETokenizer.train([text], { vocabSize: 28 });
    // "es" and "st" come nine times each; e has the smaller id.
    expect(tokenizer.merges).toEqual(['e s', 'es t</w>', 'l o', 'e w', 'n ew', 'new est</w>', 'lo w</w>']);
    expect(tokenizer.vocabSize).toBe(28);
    expect(tokenizer.decode(tokenizer.encode('Lowest newest'))).toBe('lowest newest');
  });

  test('is the same for any way of handing over the texts', async () => {
    const parts = text.split(' ');
    async function* later() {
      for (const part of parts) yield part;
    }
    const once = await BPETokenizer.train([text], { vocabSize: 40 });
    const asynchronous = await BPETokenizer.train(later(), { vocabSize: 40 });
    expect(asynchronous.fingerprint).toBe(once.fingerprint);
    expect(asynchronous.merges).toEqual(once.merges);
  });

  test('options', async () => {
    const frequent = await BPETokenizer.train([text], { vocabSize: 1000, minFrequency: 9 });
    expect(frequent.merges).toEqual(['e s', 'es t</w>']);
    const short = await BPETokenizer.train([text], { vocabSize: 1000, maxTokenLength: 4 });
    expect(Math.max(...Object.keys(short.vocab).map((token) => token.replace('</w>', '').length))).toBe(5); // <unk>
    expect(short.merges.every((merge) => merge.replace('</w>', '').length < 5)).toBe(true);
    const limited = await BPETokenizer.train([text], {
      vocabSize: 1000,
      limitAlphabet: 3,
      initialAlphabet: ['x'],
    });
    expect(
      Object.keys(limited.vocab)
        .filter((token) => /^.$/.test(token))
        .sort(),
    ).toEqual(['e', 'w', 'x']);
    const special = await BPETokenizer.train([text], { vocabSize: 40, specialTokens: ['<unk>', '<start>'] });
    expect(special.vocab['<start>']).toBe(1);
    await expect(BPETokenizer.train([text], { vocabSize: 10 })).rejects.toThrow(/vocabSize: 10 has no room/);
    await expect(BPETokenizer.train([text], { vocabSize: 0.5 })).rejects.toThrow(/vocabSize/);
    await expect(BPETokenizer.train([text], { vocabSize: 40, minFrequency: -1 })).rejects.toThrow(
      /minFrequency/,
    );
    await expect(BPETokenizer.train([5] as unknown as string[], { vocabSize: 40 })).rejects.toThrow(/texts/);
    await expect(
      BPETokenizer.train([text], { vocabSize: 40, preprocess: 'nothing' as 'basic' }),
    ).rejects.toThrow(/preprocess/);
  });

  test('stops when asked', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(BPETokenizer.train([text], { vocabSize: 40, signal })).rejects.toThrow(TrainingAbortedError);
  });

  test('memory is bounded: rare words go when there are too many', async () => {
    const words = Array.from({ length: 5000 }, (_, i) => `rare${i.toString(36)} common`);
    const tokenizer = await BPETokenizer.train(words, { vocabSize: 200, maxWords: 1024 });
    expect(tokenizer.encode('common')).toHaveLength(1);
  });

  test('Chinese characters are words in the basic mode, and merge in the lossless one', async () => {
    const chinese = ['我们今天去北京。我们明天回来。', '今天我们在北京。'];
    const basic = await BPETokenizer.train(chinese, { vocabSize: 100 });
    expect(basic.merges).toEqual([]);
    const own = await BPETokenizer.train(chinese, { vocabSize: 400, preprocess: 'lossless' });
    expect(own.merges).toContain('我 们');
    expect(own.decode(own.encode('我们在上海。'))).toBe('我们在上海。');
  });
});

describe('lossless', () => {
  let tokenizer: BPETokenizer;
  beforeAll(async () => {
    const lines = fixtureLines<{ text: string }>('gpt1_hf').map((row) => row.text);
    tokenizer = await BPETokenizer.train(lines.slice(0, 150), { vocabSize: 2000, preprocess: 'lossless' });
  });

  test('every text comes back', () => {
    for (const { text } of fixtureLines<{ text: string }>('gpt1_hf')) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(wellFormed(text));
    }
    const part = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('▁', '␊', '</w>', '<0x41>', '<unk>', ' ', '\n', '\r\n', 'the', '你好'),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const text = parts.join('');
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(wellFormed(text));
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 10_000), seed: 3 },
    );
  });

  test('white space that was never seen comes back too', async () => {
    const narrow = await BPETokenizer.train(['abc'], { vocabSize: 300, preprocess: 'lossless' });
    for (const text of ['a b\nc\r\n\t▁␊␍', ' ', '\n']) expect(narrow.decode(narrow.encode(text))).toBe(text);
  });

  test('survives saving and loading', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bpe-'));
    try {
      await tokenizer.save(join(folder, 'a'));
      const again = await BPETokenizer.load(join(folder, 'a'));
      expect(again.fingerprint).toBe(tokenizer.fingerprint);
      expect(again.encode('Hello,\n  ▁world')).toEqual(tokenizer.encode('Hello,\n  ▁world'));
      expect((await readdir(join(folder, 'a'))).sort()).toEqual(['bpe.json', 'merges.txt', 'vocab.json']);

      await gpt1.save(join(folder, 'b'));
      await rm(join(folder, 'b', 'bpe.json'));
      expect((await BPETokenizer.load(join(folder, 'b'))).fingerprint).toBe(gpt1.fingerprint);

      const file = join(folder, 'a', 'vocab.json');
      await writeFile(file, (await readFile(file, 'utf8')).slice(0, -20));
      await expect(BPETokenizer.load(join(folder, 'a'))).rejects.toThrow(/vocab.json is not JSON/);
      await gpt1.save(join(folder, 'b'));
      await writeFile(join(folder, 'a', 'vocab.json'), JSON.stringify(vocab));
      await writeFile(join(folder, 'a', 'merges.txt'), merges);
      await expect(BPETokenizer.load(join(folder, 'a'))).rejects.toThrow(
        /do not belong together|byte tokens/,
      );
      await expect(BPETokenizer.load(join(folder, 'none'))).rejects.toThrow(/cannot read vocab.json/);
      await expect(tokenizer.save(join(file, 'below'))).rejects.toThrow(/cannot write/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('hostile vocabularies', () => {
  const small = { '<unk>': 0, a: 1, b: 2, 'a</w>': 3, 'b</w>': 4, ab: 5 };

  test.each([
    ['an id twice', { ...small, c: 5 }, ['a b']],
    ['a fraction', { ...small, c: 6.5 }, ['a b']],
    ['a negative id', { ...small, c: -1 }, ['a b']],
    ['text for an id', { ...small, c: '6' as unknown as number }, ['a b']],
    ['a list', [] as unknown as Record<string, number>, ['a b']],
    ['nothing', null as unknown as Record<string, number>, ['a b']],
    ['no unknown token', { a: 1 }, []],
    ['a merge of three', small, ['a b a']],
    ['an empty merge', small, ['a b', '', 'a b']],
    ['a merge twice', small, ['a b', 'a b']],
    ['a merge of a missing token', small, ['a c']],
    ['a merge into a missing token', small, ['b a']],
  ])('%s is refused', (_, wrong, lines) => {
    let error: unknown;
    try {
      BPETokenizer.fromVocab(wrong, lines);
    } catch (caught) {
      error = caught;
    }
    expect(GptLineageError.isInstance(error)).toBe(true);
    expect((error as { code: string }).code).toBe('tokenizer/invalid-vocabulary');
  });

  test('tokens named like properties of objects are just tokens', () => {
    const odd = BPETokenizer.fromVocab(JSON.parse('{"<unk>":0,"__proto__":1,"constructor":2,"a</w>":3}'), []);
    expect(odd.encode('a')).toEqual([3]);
    expect(odd.decode([1, 2])).toBe('__proto__constructor');
    expect(odd.vocabSize).toBe(4);
  });
});
