import { expect, it } from 'vitest';
// @ts-expect-error plain JavaScript
import { compareRatios, ratioTable, regressions } from '../lib/bench-results.mjs';

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

it('fails for a bench that lost a quarter on average, not for a single ratio', () => {
  const check = (now: Record<string, number>, was: Record<string, number>) =>
    regressions(compareRatios([bench(now)], [bench(was)], 0.25), 0.25);
  expect(check({ a: 0.7, b: 1.1, c: 9 }, { a: 1, b: 1 })).toEqual([]);
  expect(check({ a: 0.7, b: 0.7 }, { a: 1, b: 1 })).toEqual([
    'attention: its ratios are 70 % of the committed ones',
  ]);
  expect(check({ a: 0.4, b: 2 }, { a: 1, b: 1 })).toEqual([]);
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
