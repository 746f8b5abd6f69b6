/** A text the model reads, and what it is read for. */
export interface PrefixRow<Job> {
  readonly tokens: readonly number[];
  /** All that can be answered from this row: their texts are beginnings of it. */
  readonly jobs: Job[];
}

/** A common beginning that is read once, and what follows it. */
export interface PrefixNode<Job> {
  /** Tokens `start` to `end` of each row below are the same; those before `start` belong to the nodes above. */
  readonly start: number;
  readonly end: number;
  /** Any row below. */
  readonly tokens: readonly number[];
  /** Longest row below. */
  readonly longest: number;
  readonly children: readonly PrefixNode<Job>[];
  /** Rows that share nothing further worth a reading of its own. */
  readonly rows: readonly PrefixRow<Job>[];
}

export interface ReadableJob {
  readonly input: readonly number[];
  /** First position of `input` whose output is asked for: what is read once for many must end before. */
  readonly start: number;
}

/** What reading costs, in tokens: chooses between one reading for many rows and one for each. */
export interface ReadingCosts {
  /** Of one pass, however short. */
  readonly pass: number;
  /** Of taking one cached token into a pass. */
  readonly cached: number;
}

/**
 * Requests as a tree of common beginnings, for reading each of them once: few-shot examples that all questions share,
 * under them questions that all choices share. The root has length 0.
 */
export function prefixTree<Job extends ReadableJob>(
  jobs: readonly Job[],
  costs: ReadingCosts,
): PrefixNode<Job> {
  const rows = mergedRows([...jobs].sort((a, b) => compareTokens(a.input, b.input)));
  const { children, rest } = split(rows, 0, costs);
  const longest = Math.max(0, ...rows.map(({ tokens }) => tokens.length));
  return { start: 0, end: 0, tokens: [], longest, children, rows: rest };
}

/** Sorted jobs as rows: one whose text is the beginning of another's needs no row of its own. */
function mergedRows<Job extends ReadableJob>(sorted: readonly Job[]): PrefixRow<Job>[] {
  const rows: PrefixRow<Job>[] = [];
  for (const job of [...sorted].reverse()) {
    const row = rows.at(-1);
    // Whatever stands between a text and a longer one in sorted order begins with that text too.
    if (row && commonLength(job.input, row.tokens) === job.input.length) row.jobs.push(job);
    else rows.push({ tokens: job.input, jobs: [job] });
  }
  return rows.reverse();
}

/** Divides sorted rows that are equal up to `depth` into nodes and rows that go alone. */
function split<Job extends ReadableJob>(
  rows: readonly PrefixRow<Job>[],
  depth: number,
  costs: ReadingCosts,
): { children: PrefixNode<Job>[]; rest: PrefixRow<Job>[] } {
  const children: PrefixNode<Job>[] = [];
  const rest: PrefixRow<Job>[] = [];
  for (const family of families(rows, depth)) {
    const tokens = family[0]!.tokens;
    const asked = Math.min(...family.flatMap(({ jobs }) => jobs.map(({ start }) => start)));
    const common = commonLength(tokens, family.at(-1)!.tokens);
    const end = Math.min(common, asked);
    const saved = (family.length - 1) * (end - depth);
    if (family.length > 1 && saved > costs.pass + family.length * costs.cached * (end - depth)) {
      const below = end === common ? split(family, end, costs) : { children: [], rest: [...family] };
      const longest = Math.max(...family.map((row) => row.tokens.length));
      children.push({ start: depth, end, tokens, longest, children: below.children, rows: below.rest });
    } else if (family.length > 2 && end === common) {
      // Not worth it for all; perhaps for some of them.
      const below = split(family, common, costs);
      if (below.children.length === 0) rest.push(...family);
      else {
        children.push(...below.children.map((child) => ({ ...child, start: depth })));
        rest.push(...below.rest);
      }
    } else rest.push(...family);
  }
  return { children, rest };
}

/** Runs of rows with the same token at `depth`. */
function families<Job>(rows: readonly PrefixRow<Job>[], depth: number): PrefixRow<Job>[][] {
  const runs: PrefixRow<Job>[][] = [];
  let last: number | undefined;
  for (const row of rows) {
    const token = row.tokens[depth];
    const run = runs.at(-1);
    if (run && token === last) run.push(row);
    else runs.push([row]);
    last = token;
  }
  return runs;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a[at] === b[at]) at += 1;
  return at;
}

function compareTokens(a: readonly number[], b: readonly number[]): number {
  const shared = commonLength(a, b);
  return shared === Math.min(a.length, b.length) ? a.length - b.length : a[shared]! - b[shared]!;
}
