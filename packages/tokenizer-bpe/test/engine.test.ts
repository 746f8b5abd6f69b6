import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { learnMerges, MergeTable, sha256 } from '../src/index.js';

/** Byte-pair merging by the book: the pair of smallest rank, the leftmost of equal ones. */
function mergeSlowly(ids: number[], ranks: Map<string, number>, results: Int32Array): number[] {
  const symbols = [...ids];
  for (;;) {
    let best = Number.POSITIVE_INFINITY;
    let at = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < best) [best, at] = [rank, i];
    }
    if (at < 0) return symbols;
    symbols.splice(at, 2, results[best]!);
  }
}

const table = fc
  .uniqueArray(fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7)), {
    maxLength: 30,
    selector: ([left, right]) => `${left} ${right}`,
  })
  .map((rows) => ({
    // Merges that never end would: keep those that make a larger id.
    rows: rows.map(([left, right, grow]) => [left, right, 8 + ((left + right + grow) % 8)] as const),
  }));

test('the merge loops are the definition, below and above the size from which a heap is used', () => {
  fc.assert(
    fc.property(table, fc.array(fc.nat(7), { minLength: 1, maxLength: 400 }), ({ rows }, ids) => {
      const results = Int32Array.from(rows, (row) => row[2]);
      const merges = new MergeTable(
        rows.map((row) => row[0]),
        rows.map((row) => row[1]),
        results,
      );
      const ranks = new Map(rows.map(([left, right], rank) => [`${left} ${right}`, rank]));
      merges.reserve(ids.length);
      merges.ids.set(ids);
      merges.rankAll(ids.length);
      const kept = merges.merge(ids.length);
      expect([...merges.ids.subarray(0, kept)]).toEqual(mergeSlowly(ids, ranks, results));
    }),
    { numRuns: 1000, seed: 4 },
  );
});

test('merge tables refuse what they cannot hold', () => {
  expect(() => new MergeTable([1, 1], [2, 2], Int32Array.of(3, 4))).toThrow(/listed twice, at ranks 0 and 1/);
  expect(() => new MergeTable([1 << 20], [2], Int32Array.of(3))).toThrow(/not below/);
  const wide = new MergeTable([1_000_000, 1_000_001], [1_048_575, 4096], Int32Array.of(5, 6));
  expect([
    wide.rankOf(1_000_000, 1_048_575),
    wide.rankOf(1_000_001, 4096),
    wide.rankOf(1_000_001, 4097),
  ]).toEqual([0, 1, 0x7fffffff]);
});

/** Learns merges by counting everything anew at every step. */
function learnSlowly(words: number[][], counts: number[], tokens: string[], vocabSize: number) {
  const merges: string[] = [];
  while (tokens.length < vocabSize) {
    const pairs = new Map<string, { left: number; right: number; count: number }>();
    words.forEach((word, i) => {
      for (let k = 0; k + 1 < word.length; k++) {
        const key = `${word[k]} ${word[k + 1]}`;
        const pair = pairs.get(key) ?? { left: word[k]!, right: word[k + 1]!, count: 0 };
        pair.count += counts[i]!;
        pairs.set(key, pair);
      }
    });
    const [best] = [...pairs.values()].sort(
      (a, b) => b.count - a.count || a.left - b.left || a.right - b.right,
    );
    if (best === undefined) break;
    const token = tokens[best.left]! + tokens[best.right]!;
    let id = tokens.indexOf(token);
    if (id < 0) id = tokens.push(token) - 1;
    merges.push(`${best.left} ${best.right} ${id}`);
    words = words.map((word) => {
      const next: number[] = [];
      for (let k = 0; k < word.length; k++) {
        if (word[k] === best.left && word[k + 1] === best.right) {
          next.push(id);
          k++;
        } else next.push(word[k]!);
      }
      return next;
    });
  }
  return merges;
}

test('training by updates is training by counting anew', async () => {
  const word = fc.tuple(fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 5 }));
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 12 }), async (rows) => {
      const tokens = ['a', 'b', 'c', 'd'];
      const expected = learnSlowly(
        rows.map(([ids]) => ids),
        rows.map(([, count]) => count),
        [...tokens],
        24,
      );
      const offsets = [0];
      for (const [ids] of rows) offsets.push(offsets[offsets.length - 1]! + ids.length);
      const learned = await learnMerges(
        {
          symbols: Int32Array.from(rows.flatMap(([ids]) => ids)),
          offsets: Int32Array.from(offsets),
          counts: Float64Array.from(rows.map(([, count]) => count)),
        },
        { tokens, vocabSize: 24, minFrequency: 0 },
      );
      const merges = learned.lefts.map((left, i) => `${left} ${learned.rights[i]} ${learned.results[i]}`);
      expect(merges).toEqual(expected);
    }),
    { numRuns: 500, seed: 5 },
  );
});

test('counts beyond 2^32 do not overflow', async () => {
  const learned = await learnMerges(
    {
      symbols: Int32Array.of(0, 1, 1, 2),
      offsets: Int32Array.of(0, 2, 4),
      counts: Float64Array.of(2 ** 33 + 1, 2 ** 33),
    },
    { tokens: ['a', 'b', 'c'], vocabSize: 4, minFrequency: 2 ** 33 },
  );
  expect(learned.lefts).toEqual([0]);
});

test('sha256', () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) & 255);
    expect(sha256(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
  }
});
