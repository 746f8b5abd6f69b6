import { cpus, totalmem } from 'node:os';

/** One line of a bench: ours, and the peers' values with ratios above 1 where ours is better. */
export interface BenchResult {
  case: string;
  metric: string;
  unit: string;
  ours: number;
  peers: Record<string, number>;
  ratio: Record<string, number>;
}

export function machine(): string {
  const list = cpus();
  return `${list.length} × ${list[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}

/** A table for people, and as the last line one JSON object for tools. */
export function report(
  bench: string,
  results: readonly BenchResult[],
  note: Record<string, unknown> = {},
): void {
  for (const { case: name, metric, unit, ours, peers, ratio } of results) {
    const others = Object.entries(peers).map(
      ([peer, value]) => `${peer} ${value.toPrecision(4)} (ratio ${ratio[peer]!.toFixed(2)})`,
    );
    console.log(
      `${name.padEnd(44)} ${metric}: ours ${ours.toPrecision(4)} ${unit}${others.length ? `, ${others.join(', ')}` : ''}`,
    );
  }
  console.log(
    JSON.stringify({ bench, machine: machine(), date: new Date().toISOString(), ...note, results }),
  );
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
