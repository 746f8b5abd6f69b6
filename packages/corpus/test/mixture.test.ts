import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  gpt3Sources,
  MixtureStateError,
  mixture,
  TokenShardReader,
  TokenShardWriter,
  weightPresets,
} from '../src/index.js';
import { permute, Random } from '../src/random.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

/** A shard whose tokens count up from `first`, in documents of random length. */
function shard(name: string, tokenCount: number, first = 0): TokenShardReader {
  const random = new Random(name);
  const writer = new TokenShardWriter(join(folder, `${name}.tokens`), {
    vocabSize: 2_000_000,
    fingerprint: 'f',
  });
  for (let at = 0; at < tokenCount; ) {
    const length = Math.min(tokenCount - at, 1 + random.below(3000));
    const start = at;
    writer.append(Uint32Array.from({ length }, (_, i) => first + start + i));
    at += length;
  }
  writer.finish();
  return new TokenShardReader(join(folder, `${name}.tokens`));
}

describe('mixture', () => {
  it('keeps to the weights within 0.5 % over a million tokens, and reports epochs as a recount finds them', () => {
    const sizes = [400_000, 19_000, 12_000, 55_000, 30_000];
    const sources = gpt3Sources.map(({ name, weight }, i) => ({
      name,
      weight,
      reader: shard(name, sizes[i]!),
    }));
    const mix = mixture({ sources, length: 513, stride: 512, seed: 3 });
    const tokens = new Map<string, number>();
    const visits = new Map<string, Map<number, number>>();
    let total = 0;
    while (total < 1_000_000) {
      const { source, size, index } = mix.next()!;
      total += size;
      tokens.set(source, (tokens.get(source) ?? 0) + size);
      const perWindow = visits.get(source) ?? new Map<number, number>();
      visits.set(source, perWindow.set(index, (perWindow.get(index) ?? 0) + 1));
    }
    for (const [i, row] of mix.report().entries()) {
      expect(Math.abs(tokens.get(row.name)! / total - gpt3Sources[i]!.weight / 101)).toBeLessThan(0.005);
      expect(row.tokens).toBe(tokens.get(row.name));
      const counts = visits.get(row.name)!;
      const windows = Math.ceil((sizes[i]! - 1) / 512);
      const recount = [...counts.values()].reduce((sum, count) => sum + count, 0) / windows;
      expect(row.epochs).toBeCloseTo(recount, 10);
      // Whole passes are whole: no window is ahead of another by more than one visit.
      const visited = [...counts.values()];
      expect(Math.max(...visited) - (counts.size === windows ? Math.min(...visited) : 0)).toBeLessThanOrEqual(
        1,
      );
    }
  });

  it('keeps to the weights at every point, for documents of very different sizes', () => {
    const random = new Random(5);
    const documents = (count: number, longest: number) =>
      Array.from({ length: count }, () => 'x'.repeat(1 + random.below(longest)));
    const mix = mixture({
      seed: 1,
      sources: [
        { name: 'short', weight: 3, documents: documents(900, 100) },
        { name: 'long', weight: 1, documents: documents(40, 4000) },
      ],
    });
    for (let i = 0; i < 3000; i++) {
      mix.next();
      const [short, long] = mix.report();
      const off = short!.tokens - 0.75 * (short!.tokens + long!.tokens);
      expect(Math.abs(off)).toBeLessThan(4000);
    }
  });

  it('covers every token of a source in each epoch, in another order', () => {
    const reader = shard('cover', 1000);
    const mix = mixture({ sources: [{ name: 'a', weight: 1, reader }], length: 64, seed: 9 });
    const epochs = [mix.take(16), mix.take(16)];
    for (const windows of epochs) {
      expect(new Set(windows.flatMap(({ item }) => [...item.tokenIds])).size).toBe(1000);
    }
    expect(epochs[0]!.map(({ index }) => index)).not.toEqual(epochs[1]!.map(({ index }) => index));
    expect(epochs.map((windows) => new Set(windows.map(({ epoch }) => epoch)))).toEqual([
      new Set([0]),
      new Set([1]),
    ]);
  });

  it('goes on after any position as if it had never stopped', () => {
    const sources = ['a', 'b', 'c'].map((name, i) => ({
      name,
      weight: i + 1,
      documents: Array.from({ length: 10 + i }, (_, k) => `${name}${k}`.repeat(1 + ((k * 7) % 5))),
    }));
    fc.assert(
      fc.property(fc.integer(), fc.nat(200), (seed, position) => {
        const whole = mixture({ sources, seed });
        whole.take(position);
        const saved = JSON.parse(JSON.stringify(whole.state()));
        expect(mixture({ sources, seed, state: saved }).take(50)).toEqual(whole.take(50));
      }),
      { numRuns: 50 },
    );
  });

  it('refuses a position of another mixture', () => {
    const sources = [{ name: 'a', weight: 1, documents: ['x', 'y'] }];
    const { state } = { state: mixture({ sources, seed: 1 }).state() };
    expect(() => mixture({ sources, seed: 2, state })).toThrow(MixtureStateError);
    const longer = [{ name: 'a', weight: 1, documents: ['x', 'yy'] }];
    expect(() => mixture({ sources: longer, seed: 1, state })).toThrow(/must be the same/);
  });

  it('stops at maxEpochs and fills up with the others', () => {
    const mix = mixture({
      sources: [
        { name: 'small', weight: 1, documents: ['a', 'b'], maxEpochs: 2 },
        { name: 'large', weight: 1, documents: [...'0123456789'], maxEpochs: 1 },
      ],
    });
    expect([...mix].map(({ source }) => source).filter((source) => source === 'small')).toHaveLength(4);
    expect(mix.report().map(({ items, epochs }) => [items, epochs])).toEqual([
      [4, 2],
      [10, 1],
    ]);
  });

  it('weighs by size without weights, flatter with a temperature', () => {
    const sources = [
      { name: 'small', documents: ['x'.repeat(100)] },
      { name: 'large', documents: ['x'.repeat(900)] },
    ];
    expect(mixture({ sources }).report()[1]!.weight).toBeCloseTo(0.9);
    expect(mixture({ sources, temperature: 2 }).report()[1]!.weight).toBeCloseTo(0.75); // 30 / (10 + 30)
  });

  it.each([
    [{ sources: [] }, /at least one/],
    [{ sources: [{ name: 'a', weight: -1, documents: ['x'] }] }, /sources.a.weight/],
    [{ sources: [{ name: 'a', weight: 1, documents: [] }] }, /sources.a: is empty/],
    [{ sources: [{ name: 'a', weight: 0, documents: ['x'] }] }, /every weight is 0/],
    [{ sources: [{ name: 'a', weight: 1, documents: [''] }] }, /size 0/],
    [
      {
        sources: [
          { name: 'a', weight: 1, documents: ['x'] },
          { name: 'a', weight: 1, documents: ['y'] },
        ],
      },
      /used twice/,
    ],
  ])('refuses %j', (options, message) => {
    expect(() => mixture(options)).toThrow(ConfigError);
    expect(() => mixture(options)).toThrow(message);
  });

  it('holds the published GPT-3 weights', () => {
    expect(weightPresets['gpt-3']).toEqual({
      'common-crawl': 60,
      webtext2: 22,
      books1: 8,
      books2: 8,
      wikipedia: 3,
    });
    // The printed epochs follow from 300 billion tokens and the weights, to the rounding of the table.
    const crawl = gpt3Sources[0]!;
    expect((300e9 * crawl.weight) / 100 / crawl.tokens).toBeCloseTo(crawl.epochs, 2);
  });
});

describe('permute', () => {
  it('is a bijection for every size', () => {
    for (const count of [1, 2, 3, 4, 5, 17, 100, 1000]) {
      const image = new Set(Array.from({ length: count }, (_, i) => permute(i, count, 42)));
      expect([...image].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });

  it('spreads: neighbours land as far apart as in a random order', () => {
    const count = 10_000;
    let distance = 0;
    for (let i = 1; i < count; i++) distance += Math.abs(permute(i, count, 7) - permute(i - 1, count, 7));
    // Mean distance of two random places is count / 3.
    expect(distance / count / (count / 3)).toBeGreaterThan(0.97);
    expect(distance / count / (count / 3)).toBeLessThan(1.03);
  });
});
