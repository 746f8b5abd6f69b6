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

/**
 * What `--check` fails for. On a machine that others use single ratios wander to half and double from run to run, their
 * mean over a bench does not.
 *
 * @param tolerance share of the mean (geometric) over a bench's ratios that may be lost
 * @returns a line for each bench that lost more
 */
export function regressions(rows, tolerance) {
  const known = rows.filter(({ ratio, was }) => was > 0 && ratio > 0);
  const lines = [];
  for (const bench of new Set(known.map((row) => row.bench))) {
    const logs = known.filter((row) => row.bench === bench).map(({ ratio, was }) => Math.log(ratio / was));
    const kept = Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
    if (kept < 1 - tolerance)
      lines.push(`${bench}: its ratios are ${Math.round(100 * kept)} % of the committed ones`);
  }
  return lines;
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
