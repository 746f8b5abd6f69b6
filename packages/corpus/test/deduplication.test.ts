import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buckets, candidateProbability } from '../src/dedup/bands.js';
import { plainSignature } from '../src/dedup/minhash.js';
import { SimdMinHash } from '../src/dedup/minhash-simd.js';
import { partsOf, removeParts } from '../src/dedup/repeated-parts.js';
import { jaccard } from '../src/dedup/shingles.js';
import { UnionFind } from '../src/dedup/union-find.js';
import {
  ConfigError,
  chooseBands,
  deduplicate,
  estimateJaccard,
  MinHasher,
  shingleHashes,
} from '../src/index.js';
import { Random } from '../src/random.js';
import { wordsOf } from '../src/words.js';
import { fixtureRecords } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

/** Word 5-grams as strings: the definition, without any hash. */
function plainShingles(text: string): Set<string> {
  const words = wordsOf(text);
  if (words.length < 5) return new Set([words.join(' ')]);
  return new Set(words.slice(4).map((_, i) => words.slice(i, i + 5).join(' ')));
}

function plainJaccard(a: Set<string>, b: Set<string>): number {
  let common = 0;
  for (const each of a) if (b.has(each)) common++;
  return common / (a.size + b.size - common);
}

/** Paragraph-sized passages of real text, all different. */
const passages = fixtureRecords('wiki.jsonl.gz')
  .flatMap(({ text }) => text.split('\n').filter((line) => line.split(' ').length > 60))
  .slice(0, 600);

/** Replaces words until the copy has about the wanted similarity. */
function editedCopy(text: string, target: number, random: Random): string {
  const words = text.split(' ');
  const original = plainShingles(text);
  for (let guard = 0; guard < words.length; guard++) {
    if (plainJaccard(original, plainShingles(words.join(' '))) <= target) break;
    words[random.below(words.length)] = `edited${random.below(1e6)}`;
  }
  return words.join(' ');
}

describe('fuzzy deduplication', () => {
  const threshold = 0.7;
  const random = new Random(11);
  const planted = passages.map((text) => editedCopy(text, 0.5 + 0.45 * random.float(), random));
  const similarities = passages.map((text, i) =>
    plainJaccard(plainShingles(text), plainShingles(planted[i]!)),
  );
  // Originals and copies shuffled together.
  const documents = random.shuffle([
    ...passages.map((text, i) => ({ id: `original-${i}`, text })),
    ...planted.map((text, i) => ({ id: `copy-${i}`, text })),
  ]);

  it('finds planted copies: precision ≥ 0.99, recall ≥ 0.95 above the threshold', async () => {
    expect(passages.length).toBe(600);
    const above = similarities.filter((similarity) => similarity >= threshold).length;
    expect(above).toBeGreaterThan(200);
    expect(above).toBeLessThan(400);
    const result = await deduplicate(documents, { threshold, seed: 1 });
    const pairOf = (id: string) => Number(id.split('-')[1]);
    const correct = result.dropped.filter(
      ({ id, duplicateOf }) =>
        pairOf(id) === pairOf(duplicateOf.id) && similarities[pairOf(id)]! >= threshold,
    );
    expect(correct.length / result.dropped.length).toBeGreaterThanOrEqual(0.99);
    expect(correct.length / above).toBeGreaterThanOrEqual(0.95);
    expect(result.cutComparisons).toBe(0);
    for (const { similarity, id } of correct) expect(similarity).toBeCloseTo(similarities[pairOf(id)]!, 3);
    expect(result.kept.length + result.dropped.length).toBe(documents.length);
  });

  it('gives the same result on disk, with workers, and from an async stream', async () => {
    const wanted = await deduplicate(documents, { threshold });
    const onDisk = await deduplicate(documents, { threshold, indexDirectory: folder });
    expect(onDisk).toEqual(wanted);
    expect(readdirSync(folder)).toEqual([]);
    async function* stream() {
      yield* documents;
    }
    expect(await deduplicate(stream(), { threshold, workers: 2 })).toEqual(wanted);
  });

  it('estimates similarity with the error that theory gives', () => {
    const permutations = 128;
    let squared = 0;
    let bias = 0;
    let variance = 0;
    const trials = 2000;
    const draw = new Random(3);
    for (let trial = 0; trial < trials; trial++) {
      const common = 50 + draw.below(300);
      const a = new Set<number>();
      const b = new Set<number>();
      for (let i = 0; i < 400; i++) {
        const x = draw.uint32();
        if (i < common || i % 2 === 0) a.add(x);
        if (i < common || i % 2 === 1) b.add(x);
      }
      const [setA, setB] = [Uint32Array.from(a).sort(), Uint32Array.from(b).sort()];
      const exact = jaccard(setA, setB);
      const hasher = new MinHasher(permutations, trial);
      const error = estimateJaccard(hasher.signature(setA), hasher.signature(setB)) - exact;
      squared += error ** 2;
      bias += error;
      variance += (exact * (1 - exact)) / permutations;
    }
    // The ratio of two variances over 2000 trials: its standard deviation is about √(2/2000) = 3 %.
    expect(squared / variance).toBeGreaterThan(0.88);
    expect(squared / variance).toBeLessThan(1.12);
    expect(Math.abs(bias / trials)).toBeLessThan(0.004);
  });

  it('estimates real texts as their exact similarity', () => {
    const hasher = new MinHasher(512, 1);
    for (const [i, text] of passages.slice(0, 50).entries()) {
      const [a, b] = [shingleHashes(text), shingleHashes(planted[i]!)];
      expect(jaccard(a, b)).toBeCloseTo(similarities[i]!, 6);
      expect(estimateJaccard(hasher.signature(a), hasher.signature(b))).toBeGreaterThan(
        similarities[i]! - 0.1,
      );
      expect(estimateJaccard(hasher.signature(a), hasher.signature(b))).toBeLessThan(similarities[i]! + 0.1);
    }
  });

  it('computes with SIMD what the definition says, for any number of shingles and orders', () => {
    const draw = new Random(8);
    for (const [orders, count] of [
      [128, 300],
      [16, 1],
      [256, 0],
      [64, 70_000],
      [1024, 5],
      [7, 40],
    ] as const) {
      const numbers = (length: number) => Int32Array.from({ length }, () => draw.uint32());
      const [a, b] = [numbers(orders), numbers(orders)];
      const shingles = Uint32Array.from({ length: count }, () => draw.uint32());
      const simd = SimdMinHash.create(a, b);
      if (orders % 16 === 0) expect(simd!.signature(shingles)).toEqual(plainSignature(shingles, a, b));
      else expect(simd).toBeNull();
    }
    // Fewer shingles after more: nothing of the larger set is left over.
    const simd = SimdMinHash.create(Int32Array.of(...Array(16).fill(1)), new Int32Array(16))!;
    expect(simd.signature(Uint32Array.of(5, 2, 9))[0]).toBe(2);
    expect(simd.signature(Uint32Array.of(7))[0]).toBe(7);
  });

  it('chooses bands that reach the recall at the threshold, and no easier ones', () => {
    for (const threshold of [0.3, 0.5, 0.7, 0.8, 0.9, 0.95]) {
      const banding = chooseBands(threshold, 128);
      expect(banding.bands * banding.rows).toBeLessThanOrEqual(128);
      expect(candidateProbability(threshold, banding)).toBeGreaterThanOrEqual(0.97);
      const stricter = { bands: Math.floor(128 / (banding.rows + 1)), rows: banding.rows + 1 };
      expect(candidateProbability(threshold, stricter)).toBeLessThan(0.97);
    }
    expect(chooseBands(0.8, 128)).toEqual({ bands: 18, rows: 7 });
    expect(() => chooseBands(1.2, 128)).toThrow(ConfigError);
  });

  it('finds near-duplicates in Chinese, where words have no spaces', async () => {
    const [first, second] = fixtureRecords('zh.jsonl.gz').filter(({ text }) => text.length > 200);
    const changed = first!.text.replace(first!.text[100]!, '〇');
    const { dropped } = await deduplicate([first!.text, second!.text, changed], { threshold: 0.7 });
    expect(dropped).toMatchObject([{ kind: 'fuzzy', duplicateOf: { index: 0 }, index: 2 }]);
  });
});

describe('deduplicate', () => {
  const long = passages[0]!;
  const near = long.replace(/\w+\W*$/, 'ending.');

  it('keeps the best of a cluster', async () => {
    const documents = [
      { id: 'short', text: long, quality: 0.2 },
      { id: 'longer', text: `${long} and more`, quality: 0.2 },
      { id: 'good', text: near, quality: 0.9 },
    ];
    const keptBy = async (keep: 'best' | 'longest' | 'first') =>
      (await deduplicate(documents, { keep })).kept.map(({ id }) => id);
    expect(await keptBy('best')).toEqual(['good']);
    expect(await keptBy('longest')).toEqual(['longer']);
    expect(await keptBy('first')).toEqual(['short']);
  });

  it('points every copy, also a copy of a dropped one, to what stays', async () => {
    const { kept, dropped } = await deduplicate([near, long, `${long} and then some more words`, near]);
    expect(kept).toHaveLength(1);
    expect(new Set(dropped.map(({ duplicateOf }) => duplicateOf.index))).toEqual(new Set([2]));
    expect(dropped.map(({ kind }) => kind)).toEqual(['fuzzy', 'fuzzy', 'exact']);
  });

  it('compares exactly on request', async () => {
    const { kept, dropped, parameters } = await deduplicate([long, near, long], { fuzzy: false });
    expect(kept).toEqual([long, near]);
    expect(dropped).toMatchObject([{ kind: 'exact', similarity: 1, id: '2', duplicateOf: { id: '0' } }]);
    expect(parameters).toBeNull();
  });

  it('removes repeated paragraphs and lines, first occurrence kept', async () => {
    const shared = 'This paragraph stands on every page of the site and says nothing new at all.';
    const documents = ['one', 'two', 'three'].map(
      (n) => `The ${n} page has its own words.\n\n${shared}\n\nEnd of ${n}.`,
    );
    const { kept, removedParts } = await deduplicate([...documents, shared], {
      fuzzy: false,
      parts: 'paragraph',
    });
    expect(kept).toEqual([
      documents[0],
      'The two page has its own words.\n\nEnd of two.',
      'The three page has its own words.\n\nEnd of three.',
    ]);
    expect(removedParts).toMatchObject({ count: 3, emptied: 1 });
    const lines = await deduplicate([`a\n${shared}`, `b\n${shared}\n${shared}\nc`], {
      fuzzy: false,
      parts: 'line',
    });
    expect(lines.kept).toEqual([`a\n${shared}`, 'b\nc']);
  });

  it('leaves short and empty texts to exact comparison', async () => {
    const { kept } = await deduplicate(['', 'a', 'a b', 'a b c', '', 'b']);
    expect(kept).toEqual(['', 'a', 'a b', 'a b c', 'b']);
  });

  it('refuses options that cannot work', async () => {
    await expect(deduplicate(['a'], { threshold: 0 })).rejects.toThrow(/threshold/);
    await expect(deduplicate(['a'], { permutations: 1.5 })).rejects.toThrow(/permutations/);
    await expect(deduplicate(['a'], { keep: 'worst' as 'best' })).rejects.toThrow(/keep/);
  });

  it('stops when aborted', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(deduplicate(['a'], { signal: controller.signal })).rejects.toThrow(/abort/i);
  });
});

describe('the parts of deduplication', () => {
  it('buckets group equal keys and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1, 65_536, 65_537, 0xffffffff), { maxLength: 50 }), (list) => {
        const keys = Uint32Array.from(list);
        const members = keys.map((_, i) => i).filter((i) => i % 3 !== 0);
        const found = [...buckets(keys, members)].map((bucket) => [...bucket]);
        const wanted = new Map<number, number[]>();
        for (const i of members) wanted.set(keys[i]!, [...(wanted.get(keys[i]!) ?? []), i]);
        const sets = [...wanted].sort((a, b) => a[0] - b[0]).map(([, set]) => set);
        expect(found).toEqual(sets.filter((set) => set.length > 1));
      }),
    );
  });

  it('buckets are the same for few and for many documents', () => {
    const draw = new Random(6);
    const keys = Uint32Array.from({ length: 25_000 }, () => draw.below(9000) * 477_218);
    const wanted = new Map<number, number[]>();
    for (const [i, key] of keys.entries()) wanted.set(key, [...(wanted.get(key) ?? []), i]);
    const everyone = keys.map((_, i) => i);
    const sets = [...wanted].sort((a, b) => a[0] - b[0]).map(([, set]) => set);
    expect([...buckets(keys, everyone)].map((bucket) => [...bucket])).toEqual(
      sets.filter((set) => set.length > 1),
    );
    const few = sets.map((set) => set.filter((i) => i < 15_000)).filter((set) => set.length > 1);
    expect([...buckets(keys, everyone.subarray(0, 15_000))].map((bucket) => [...bucket])).toEqual(few);
  });

  it('union-find clusters do not depend on the order of unions', () => {
    const edges: [number, number][] = [
      [5, 2],
      [1, 7],
      [2, 9],
      [7, 3],
      [3, 1],
    ];
    const clustersOf = (order: [number, number][]) => {
      const sets = new UnionFind(10);
      for (const [a, b] of order) sets.union(a, b);
      return sets.clusters();
    };
    expect(clustersOf(edges)).toEqual([
      [1, 3, 7],
      [2, 5, 9],
    ]);
    expect(clustersOf([...edges].reverse())).toEqual(clustersOf(edges));
  });

  it('removing no part changes nothing; removing parts leaves the others as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b c', '\n', '\n\n', ' '), { maxLength: 20 }), (pieces) => {
        const text = pieces.join('');
        expect(removeParts(text, 'paragraph', new Set())).toBe(text);
        expect(removeParts(text, 'line', new Set([99]))).toBe(text);
      }),
    );
    expect(
      partsOf('x\n\nA Long  paragraph\n\na long paragraph', { unit: 'paragraph', minCharacters: 5 }),
    ).toHaveLength(2);
  });
});
