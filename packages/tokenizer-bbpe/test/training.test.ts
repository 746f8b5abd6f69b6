import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clip } from '../src/encodings/clip.js';
import { r50k_base } from '../src/encodings/r50k_base.js';
import { ByteLevelBPETokenizer, SpecialTokenError } from '../src/index.js';
import { EncoderPool, loadTokenizer, saveTokenizer, trainFromFiles } from '../src/node/index.js';
import { scannerOf } from '../src/patterns.js';
import { WordCounter } from '../src/word-counter.js';
import { buildWorker } from './build-worker.js';
import { fixtureLines, fixtureText } from './fixtures.js';

const text = fixtureText('bpe-train/train.txt');
let folder: string;
let removeWorker: () => void;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bbpe-'));
  removeWorker = await buildWorker();
});
afterAll(async () => {
  removeWorker();
  await rm(folder, { recursive: true });
});

describe("the reference trainer's vocabularies", () => {
  test.each([
    ['vocab512', 512, []],
    ['vocab1000', 1000, ['<|endoftext|>']],
  ])('%s, merge by merge', async (name, vocabSize, specialTokens) => {
    const tokenizer = await ByteLevelBPETokenizer.train([text], { vocabSize, specialTokens });
    const { model } = tokenizer.toTokenizerJSON();
    const merges = fixtureText(`bpe-train/${name}.merges.txt`).split('\n');
    expect(model.merges).toEqual(merges.filter((line) => line !== '' && !line.startsWith('#version')));
    expect({ ...model.vocab }).toEqual(JSON.parse(fixtureText(`bpe-train/${name}.vocab.json`)));
    for (const row of fixtureLines<{ text: string; ids: number[] }>(`bpe-train/${name}`)) {
      expect(tokenizer.encode(row.text, { allowedSpecial: 'all' })).toEqual(row.ids);
    }
  });
});

describe('options', () => {
  test('minFrequency, maxTokenLength, pattern', async () => {
    const frequent = await ByteLevelBPETokenizer.train(['aaab aaab aaab xy'], {
      vocabSize: 1000,
      minFrequency: 3,
    });
    expect(frequent.toTokenizerJSON().model.merges).toEqual(['a a', 'a b', 'aa ab']);
    const short = await ByteLevelBPETokenizer.train([text], { vocabSize: 400, maxTokenLength: 4 });
    for (let id = 0; id < short.vocabSize; id++) expect(short.tokenBytes(id).length).toBeLessThan(4);
    const spaced = await ByteLevelBPETokenizer.train(['a b a b a b'], { vocabSize: 260, pattern: '[^]+' });
    expect(spaced.decode([spaced.encode('a b a b')[0]!]).length).toBeGreaterThan(2);
  });

  test.each([
    [{ vocabSize: 255 }, /vocabSize: expected a whole number from 256/],
    [{ vocabSize: 256, specialTokens: ['a'] }, /from 257/],
    [{ vocabSize: Number.NaN }, /vocabSize/],
    [{ vocabSize: 300, minFrequency: Number.NaN }, /minFrequency/],
    [{ vocabSize: 300, maxTokenLength: 0 }, /maxTokenLength/],
    [{ vocabSize: 300, maxWords: 5 }, /maxWords/],
    [{ vocabSize: 300, specialTokens: ['a', 'a'] }, /specialTokens/],
    [{ vocabSize: 300, pattern: '(' }, /pattern/],
  ])('%o is refused', async (options, message) => {
    await expect(ByteLevelBPETokenizer.train(['a'], options)).rejects.toThrow(message);
  });

  test('progress and abort', async () => {
    const phases = new Set<string>();
    await ByteLevelBPETokenizer.train([text], {
      vocabSize: 300,
      onProgress: ({ phase }) => phases.add(phase),
    });
    expect(phases).toContain('merge');
    const signal = AbortSignal.abort();
    await expect(ByteLevelBPETokenizer.train([text], { vocabSize: 300, signal })).rejects.toThrow(/aborted/);
  });

  test('a text that looks like a special token makes no special token', async () => {
    const tokenizer = await ByteLevelBPETokenizer.train(['ab ab ab ab'], {
      vocabSize: 260,
      specialTokens: ['ab'],
    });
    expect(tokenizer.encode('ab')).not.toContain(0);
    expect(tokenizer.encode('ab', { allowedSpecial: 'all' })).toEqual([0]);
    expect(tokenizer.decode([0])).toBe('ab');
  });
});

describe('word counts', () => {
  test('are exact, and below the limit no word is dropped', () => {
    const counter = new WordCounter(1024);
    counter.addText('the cat the dog the end', scannerOf('gpt2'));
    const { bytes, ends, counts, maxUndercount } = counter.words();
    const words = Array.from(counts, (count, i) => [
      Buffer.from(bytes.subarray(ends[i], ends[i + 1])).toString(),
      count,
    ]);
    expect(words).toEqual([
      ['the', 1],
      [' cat', 1],
      [' the', 2],
      [' dog', 1],
      [' end', 1],
    ]);
    expect(maxUndercount).toBe(0);
  });

  test('beyond the limit they are too low by no more than they say', () => {
    const counter = new WordCounter(1024);
    const truth = new Map<string, number>();
    const scan = scannerOf('gpt2');
    const add = (word: string) => {
      counter.addText(word, scan);
      truth.set(word, (truth.get(word) ?? 0) + 1);
    };
    for (let i = 0; i < 10_000; i++) add(i % 3 === 0 ? `common${'abcdefgh'[i % 8]}` : `rare${word(i)}`);
    const { bytes, ends, counts, maxUndercount } = counter.words();
    expect(counts.length).toBeLessThan(1024);
    expect(maxUndercount).toBeGreaterThan(0);
    const kept = new Map(
      Array.from(counts, (count, i) => [Buffer.from(bytes.subarray(ends[i], ends[i + 1])).toString(), count]),
    );
    for (const [name, count] of truth) {
      const counted = kept.get(name) ?? 0;
      expect(counted).toBeLessThanOrEqual(count);
      expect(counted).toBeGreaterThanOrEqual(count - maxUndercount);
    }
  });
});

describe('files and threads', () => {
  test('training from files is training from their texts, on one thread or several', async () => {
    const paths = [join(folder, 'one.txt'), join(folder, 'two.txt')];
    const long = `${text}\n${'word '.repeat(250_000)}你好${text}`;
    await writeFile(paths[0]!, long);
    await writeFile(paths[1]!, text);
    const expected = await ByteLevelBPETokenizer.train([long, text], { vocabSize: 600 });
    const single = await trainFromFiles(paths, { vocabSize: 600 });
    const several = await trainFromFiles(paths, { vocabSize: 600, workers: 2 });
    expect(single.fingerprint).toBe(expected.fingerprint);
    expect(several.fingerprint).toBe(expected.fingerprint);
    await expect(trainFromFiles([join(folder, 'none.txt')], { vocabSize: 600 })).rejects.toThrow(
      /cannot read/,
    );
  });

  test('saving and loading', async () => {
    await saveTokenizer(r50k_base(), join(folder, 'gpt2'));
    expect((await loadTokenizer(join(folder, 'gpt2'))).fingerprint).toBe(r50k_base().fingerprint);
    await expect(loadTokenizer(join(folder, 'none'))).rejects.toThrow(/cannot read tokenizer.json/);
    await writeFile(join(folder, 'gpt2', 'tokenizer.json'), '{"model":');
    await expect(loadTokenizer(join(folder, 'gpt2'))).rejects.toThrow(/not JSON/);
  });

  test('a pool gives the ids of one thread, long texts included', async () => {
    const tokenizer = r50k_base();
    const texts = ['', 'Hello', `${text}${text}${text}${text}`, ...text.split('\n').slice(0, 500)];
    using pool = new EncoderPool(tokenizer, { workers: 2 });
    const ids = await pool.encodeBatch(texts);
    expect(ids.map((array) => [...array])).toEqual(tokenizer.encodeBatch(texts));
    const special = await pool.encodeBatch(['a<|endoftext|>'], { allowedSpecial: 'all' });
    expect(special.map((array) => [...array])).toEqual([[64, 50256]]);
    await expect(pool.encodeBatch(['', 5 as unknown as string])).rejects.toThrow(
      /texts\[1\]: expected a string/,
    );
    await expect(
      pool.encodeBatch(['plain', 'a<|endoftext|>'], { disallowedSpecial: 'all' }),
    ).rejects.toBeInstanceOf(SpecialTokenError);
    expect(await pool.encodeBatch([])).toEqual([]);
    pool.close();
    await expect(pool.encodeBatch(['a'])).rejects.toThrow(/closed/);
    expect(() => new EncoderPool(clip())).toThrow(/on this thread/);
    expect(() => new EncoderPool(tokenizer, { workers: 0 })).toThrow(/workers/);
  });
});

/** A word of letters for a number. */
function word(i: number): string {
  return i.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)]!);
}
