export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** 95 % interval of a share (Wilson 1927): holds for few trials and near 0 and 1. 0 … 1 without trials. */
export function wilsonInterval(count: number, total: number, z = 1.959964): Interval {
  if (total === 0) return { low: 0, high: 1 };
  const share = count / total;
  const center = share + (z * z) / (2 * total);
  const half = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total));
  const scale = 1 + (z * z) / total;
  return { low: Math.max(0, (center - half) / scale), high: Math.min(1, (center + half) / scale) };
}

/** Exact two-sided sign test of paired outcomes (McNemar): how likely so uneven a split of the changed ones is by chance. */
export function signTest(better: number, worse: number): number {
  const n = better + worse;
  if (n === 0) return 1;
  let [logTerm, tail] = [-n * Math.LN2, 0];
  for (let k = 0; k <= Math.min(better, worse); k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
