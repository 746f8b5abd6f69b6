import { expect, it } from 'vitest';
// @ts-expect-error plain JavaScript
import { compareRatios, ratioTable } from '../lib/bench-results.mjs';

const bench = (ratio: Record<string, number | null>) => ({
  bench: 'attention',
  results: [
    { case: 'dense', metric: 'time', unit: 'ms', ours: 2, peers: {}, ratio },
    { case: 'memory', metric: 'peak', unit: 'GiB', ours: 1 },
  ],
});

it('a ratio that lost more than is tolerated is a regression; a new peer and an absent one are not', () => {
  const rows = compareRatios([bench({ a: 0.9, b: 0.7, c: 1, d: null })], [bench({ a: 1, b: 1 })], 0.25);
  expect(rows.map(({ peer, was, regressed }: never) => [peer, was, regressed])).toEqual([
    ['a', 1, false],
    ['b', 1, true],
    ['c', undefined, false],
  ]);
});

it('the newest committed result counts', () => {
  const [row] = compareRatios([bench({ a: 1 })], [bench({ a: 1 }), bench({ a: 2 })], 0.25);
  expect(row).toMatchObject({ was: 2, regressed: true });
});

it('the table has a line for each ratio', () => {
  const table = ratioTable(compareRatios([bench({ a: 0.5 })], [bench({ a: 1 })], 0.25));
  expect(table.split('\n')).toHaveLength(2);
  expect(table).toMatch(/attention +dense +time +a +0\.5 +1 +slower than committed/);
});
