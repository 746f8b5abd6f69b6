import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hash32, normal, permute, uniform, uniformInt } from '../../src/data/random.js';
import {
  arrayStore,
  DataError,
  documentSource,
  gpt3MixtureWeights,
  IGNORE_INDEX,
  mixtureSource,
  packBestFit,
  packedBatch,
  parseJsonlTexts,
  textSource,
  windowSource,
  windowValidation,
} from '../../src/index.js';
import { ByteTokenizer } from '../../src/tokenization/byte-tokenizer.js';
import { verse, verseTokenizer } from '../support/training.js';

const counting = (length: number) => arrayStore(Int32Array.from({ length }, (_, i) => i));

describe('counter-based randomness', () => {
  it('permutes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), (size, seed) => {
        const seen = new Set(Array.from({ length: size }, (_, i) => permute(i, size, seed)));
        expect(seen.size).toBe(size);
        expect(Math.max(...seen)).toBe(size - 1);
      }),
    );
  });

  it('is uniform, differs by every counter, and knows counters beyond 32 bits', () => {
    const draws = Array.from({ length: 4000 }, (_, i) => uniform(7, i));
    const mean = draws.reduce((a, b) => a + b) / draws.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    const buckets = new Array(10).fill(0);
    for (let i = 0; i < 4000; i++) buckets[uniformInt(10, 7, i)]++;
    for (const count of buckets) expect(Math.abs(count - 400)).toBeLessThan(80);
    expect(new Set([hash32(1, 2), hash32(2, 1), hash32(1, 2, 0), hash32(1, 2 + 2 ** 32)]).size).toBe(4);
    const normals = Array.from({ length: 4000 }, (_, i) => normal(3, i));
    const variance = normals.reduce((sum, x) => sum + x * x, 0) / normals.length;
    expect(Math.abs(variance - 1)).toBeLessThan(0.1);
  });
});

describe('windows', () => {
  it('labels every position with the next token', () => {
    for (const sampling of ['random', 'shuffled', 'sequential'] as const) {
      const batch = windowSource(counting(50), { contextLength: 8, sampling, seed: 3 }).next(5) as {
        tokenIds: Int32Array;
        labels: Int32Array;
      };
      batch.labels.forEach((label, i) => {
        expect(label).toBe(batch.tokenIds[i]! + 1);
      });
    }
  });

  it('visits every window once per shuffled epoch, each epoch in another order', () => {
    const source = windowSource(counting(81), { contextLength: 8, seed: 1 });
    const epoch = () => {
      const batch = source.next(10) as { tokenIds: Int32Array };
      return Array.from({ length: 10 }, (_, row) => batch.tokenIds[row * 8]!);
    };
    const [first, second] = [epoch(), epoch()];
    expect([...first].sort((a, b) => a - b)).toEqual([0, 8, 16, 24, 32, 40, 48, 56, 64, 72]);
    expect(new Set(second).size).toBe(10);
    expect(second).not.toEqual(first);
    expect(source.epochs()[0]!.epochs).toBeCloseTo(160 / 81);
  });

  it('continues from a position as if it had never stopped, whatever the batch sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 6 }), fc.nat(), (sizes, seed) => {
        const make = () => windowSource(counting(100), { contextLength: 4, seed });
        const [one, other] = [make(), make()];
        const total = sizes.reduce((a, b) => a + b);
        const whole = one.next(total) as { tokenIds: Int32Array };
        const parts: number[] = [];
        let current = other;
        for (const size of sizes) {
          const resumed = make();
          resumed.seek(JSON.parse(JSON.stringify(current.position)));
          parts.push(...(resumed.next(size) as { tokenIds: Int32Array }).tokenIds);
          current = resumed;
        }
        expect(parts).toEqual([...whole.tokenIds]);
      }),
    );
  });

  it('keeps documents apart on request', () => {
    const store = arrayStore([1, 2, 9, 3, 4, 5, 9, 6, 7]);
    const source = windowSource(store, { contextLength: 8, sampling: 'sequential', documentEnd: 9 });
    const batch = source.next(1) as { labels: Int32Array; segmentIds: Int32Array };
    expect([...batch.segmentIds]).toEqual([0, 0, 0, 1, 1, 1, 1, 2]);
    expect([...batch.labels]).toEqual([2, 9, IGNORE_INDEX, 4, 5, 9, IGNORE_INDEX, 7]);
  });

  it('pads the last validation batch with rows that do not count', () => {
    const batches = [...(windowValidation(counting(41), { contextLength: 8 }).batches(3) as Iterable<never>)] as {
      labels: Int32Array;
      batchSize: number;
    }[];
    expect(batches.map(({ batchSize }) => batchSize)).toEqual([3, 3]);
    expect([...batches[1]!.labels.slice(16)]).toEqual(new Array(8).fill(IGNORE_INDEX));
  });

  it('refuses a context longer than the text, naming both', () => {
    expect(() => windowSource(counting(8), { contextLength: 8, name: 'poem' })).toThrow(
      'poem has 8 tokens, but a context of 8 needs at least 9: use a longer text or a smaller contextLength.',
    );
    expect(() => windowSource(counting(8), { contextLength: 2 }).seek({ other: 1 })).toThrow(DataError);
  });
});

describe('texts and documents', () => {
  it('splits a text by position and never inside a surrogate pair', () => {
    const { train, validation } = textSource(verse, verseTokenizer, { contextLength: 16 });
    expect(train.epochs()).toHaveLength(1);
    expect(train.bytesPerToken).toBe(1);
    expect([...(validation!.batches(4) as Iterable<unknown>)].length).toBeGreaterThan(0);
    const emoji = '🦉'.repeat(40);
    const bytes = textSource(emoji, new ByteTokenizer(), { contextLength: 4, validationFraction: 0.51 });
    const batch = bytes.train.next(1) as { tokenIds: Int32Array };
    expect(batch.tokenIds.includes(0xef)).toBe(false); // U+FFFD would begin with it
  });

  it('refuses empty texts and impossible fractions', () => {
    expect(() => textSource('', verseTokenizer, { contextLength: 4 })).toThrow(/is empty/);
    expect(() => textSource(verse, verseTokenizer, { contextLength: 4, validationFraction: 1 })).toThrow(DataError);
  });

  it('joins documents with an end token and holds out whole ones', () => {
    const documents = Array.from({ length: 40 }, (_, i) => `document number ${i}`);
    const { train, validation } = documentSource(documents, new ByteTokenizer(), {
      contextLength: 32,
      documentEnd: 256,
      validationFraction: 0.3,
      sampling: 'sequential',
    });
    const held = [...(validation!.batches(1) as Iterable<{ tokenIds: Int32Array }>)];
    const text = (ids: Int32Array) => new ByteTokenizer().decode([...ids].filter((id) => id < 256));
    const trained = text((train.next(12) as { tokenIds: Int32Array }).tokenIds);
    const heldText = held.map(({ tokenIds }) => text(tokenIds)).join('');
    expect(heldText.match(/number \d+(?=d)/g)?.length).toBeGreaterThan(3);
    for (const [number] of heldText.matchAll(/number \d+(?=d)/g)) expect(trained).not.toContain(`${number}d`);
  });

  it('names the JSONL line that is wrong', () => {
    expect([...parseJsonlTexts('{"text":"a"}\n\n{"text":"b"}')]).toEqual(['a', 'b']);
    expect(() => [...parseJsonlTexts('{"text":"a"}\n{oops')]).toThrow(/line 2 is not JSON/);
    expect(() => [...parseJsonlTexts('{"body":"a"}')]).toThrow(/line 1 has no string field "text"/);
    expect(() => [...parseJsonlTexts('[1]')]).toThrow(/line 1 is not an object/);
  });
});

describe('mixture', () => {
  const part = (name: string, base: number, weight: number) => ({
    weight,
    source: windowSource(arrayStore(Int32Array.from({ length: 100 }, (_, i) => base + i)), { contextLength: 4, name }),
  });

  it('draws in the given shares and reports epochs', async () => {
    const weights = Object.entries(gpt3MixtureWeights);
    const mixture = mixtureSource(weights.map(([name, weight], i) => part(name, i * 1000, weight)));
    const batch = await mixture.next(2000);
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    weights.forEach(([name, weight], i) => {
      let rows = 0;
      for (let row = 0; row < 2000; row++) if (Math.floor(batch.tokenIds[row * 4]! / 1000) === i) rows++;
      expect(Math.abs(rows / 2000 - weight / total), name).toBeLessThan(0.03);
      expect(mixture.epochs()[i]!.epochs).toBeCloseTo((rows * 4) / 100);
    });
  });

  it('resumes exactly', async () => {
    const make = () => mixtureSource([part('a', 0, 1), part('b', 1000, 3)], { seed: 5 });
    const [one, other, resumed] = [make(), make(), make()];
    const whole = await one.next(30);
    const head = await other.next(11);
    resumed.seek(JSON.parse(JSON.stringify(other.position)));
    const tail = await resumed.next(19);
    expect([...head.tokenIds, ...tail.tokenIds]).toEqual([...whole.tokenIds]);
  });

  it('refuses parts that do not fit together', () => {
    expect(() => mixtureSource([])).toThrow(/at least one part/);
    expect(() => mixtureSource([part('a', 0, 0)])).toThrow(/weight of "a" is 0/);
    expect(() => mixtureSource([part('a', 0, 1), part('a', 0, 1)])).toThrow(/same name/);
    const short = { weight: 1, source: windowSource(counting(20), { contextLength: 2, name: 'c' }) };
    expect(() => mixtureSource([part('a', 0, 1), short])).toThrow(/same contextLength/);
  });
});

describe('packing', () => {
  it('places every example once, never overfull, within 11/9 of the least rows plus one', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 32 }), { minLength: 1, maxLength: 80 }), (lengths) => {
        const rows = packBestFit(lengths, 32);
        expect(rows.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const row of rows) expect(row.reduce((sum, i) => sum + lengths[i]!, 0)).toBeLessThanOrEqual(32);
        const total = lengths.reduce((a, b) => a + b, 0);
        const bound = Math.max(Math.ceil(total / 32), lengths.filter((length) => length > 16).length);
        // First and best fit decreasing: at most 11/9 of the optimum plus 6/9; the optimum may exceed `bound`.
        if (lengths.every((length) => length <= 16)) expect(rows.length).toBeLessThanOrEqual(Math.ceil(1.5 * bound) + 1);
      }),
    );
  });

  it('shifts labels inside an example and masks what is not trained', () => {
    const examples = [
      { tokenIds: [1, 2, 3], lossMask: [0, 0, 1] },
      { tokenIds: [4, 5], lossMask: [0, 1] },
    ];
    const batch = packedBatch(examples, [[0, 1]], 6, 7);
    expect([...batch.tokenIds]).toEqual([1, 2, 3, 4, 5, 7]);
    expect([...batch.labels]).toEqual([-100, 3, -100, 5, -100, -100]);
    expect([...batch.segmentIds!]).toEqual([0, 0, 0, 1, 1, -1]);
  });

  it('refuses examples without a trained token and ones that do not fit', () => {
    expect(() => packedBatch([{ tokenIds: [1, 2], lossMask: [1, 0] }], [[0]], 4)).toThrow(/no token to train on/);
    expect(() => packedBatch([{ tokenIds: [1, 2], lossMask: [1] }], [[0]], 4)).toThrow(/one mask value per token/);
    expect(() => packBestFit([5], 4)).toThrow(/Example 0 has 5 tokens, a row holds 4/);
  });
});
