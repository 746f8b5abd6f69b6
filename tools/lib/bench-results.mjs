// What benches print as their last line, and what is committed of it in `bench/results`.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The committed results of a package that have ratios, oldest file first. */
export function committedResults(folder) {
  const results = join(folder, 'bench/results');
  if (!existsSync(results)) return [];
  return readdirSync(results)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file) => [JSON.parse(readFileSync(join(results, file), 'utf8'))].flat())
    .filter(({ results }) => Array.isArray(results) && results.some(({ ratio }) => ratio));
}

/** Every ratio of a bench: case, metric, peer, how many times better ours is. */
export function ratiosOf({ bench, results }) {
  return results.flatMap(({ case: name, metric, ratio = {} }) =>
    Object.entries(ratio)
      .filter(([, value]) => typeof value === 'number')
      .map(([peer, value]) => ({ bench, case: name, metric, peer, ratio: value })),
  );
}

const keyOf = ({ bench, case: name, metric, peer }) => JSON.stringify([bench, name, metric, peer]);

/**
 * Ratios beside those that are committed. Speeds change with the machine; how many times faster ours is than a peer in
 * the same run changes little.
 *
 * @param tolerance share of a ratio that may be lost before it counts as a regression
 */
export function compareRatios(now, committed, tolerance) {
  const before = new Map(committed.flatMap(ratiosOf).map((entry) => [keyOf(entry), entry.ratio]));
  return now.flatMap(ratiosOf).map((entry) => {
    const was = before.get(keyOf(entry));
    return { ...entry, was, regressed: was !== undefined && entry.ratio < was * (1 - tolerance) };
  });
}

const number = (value) =>
  typeof value === 'number' ? Number(value.toPrecision(3)).toLocaleString('en') : '–';

/** One table of all benches, for a terminal. */
export function ratioTable(rows) {
  const cells = [
    ['bench', 'case', 'metric', 'peer', '× better', 'committed', ''],
    ...rows.map((row) => [
      ...[row.bench, row.case, row.metric, row.peer, number(row.ratio), number(row.was)],
      row.regressed ? 'slower than committed' : '',
    ]),
  ];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => String(row[column]).length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => String(cell).padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
