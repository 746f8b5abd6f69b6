/** Why something was dropped, how often, and a few examples. */
export interface DropReason {
  count: number;
  samples: { id: string; detail: string }[];
}

export type DropReport = Record<string, DropReason>;

const samplesPerReason = 5;

export function noteDrop(report: DropReport, reason: string, id: string, detail: string): void {
  report[reason] ??= { count: 0, samples: [] };
  const entry = report[reason];
  entry.count++;
  if (entry.samples.length < samplesPerReason) entry.samples.push({ id, detail: detail.slice(0, 200) });
}

/** Sum of reports in the order given; reasons sorted by name. */
export function mergeDrops(reports: readonly DropReport[]): DropReport {
  const total: DropReport = {};
  for (const report of reports) {
    for (const [reason, { count, samples }] of Object.entries(report)) {
      total[reason] ??= { count: 0, samples: [] };
      const entry = total[reason];
      entry.count += count;
      entry.samples.push(...samples.slice(0, samplesPerReason - entry.samples.length));
    }
  }
  return Object.fromEntries(Object.entries(total).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function addCount(counts: Record<string, number>, key: string, by = 1): void {
  counts[key] = (counts[key] ?? 0) + by;
}
