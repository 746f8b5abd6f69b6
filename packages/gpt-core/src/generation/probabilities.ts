import { expOfNegative } from './exponential.js';

/** `softmax(scores)` in double precision; removed scores (-Infinity) get 0. */
export function softmax(scores: Float32Array): Float64Array {
  const max = maximum(scores);
  const probs = new Float64Array(scores.length);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const p = Math.exp(scores[i]! - max);
    probs[i] = p;
    sum += p;
  }
  for (let i = 0; i < probs.length; i++) probs[i] = probs[i]! / sum;
  return probs;
}

/** In nats. */
export function logSoftmax(scores: Float32Array): Float64Array {
  const normalizer = logSumExp(scores);
  return Float64Array.from(scores, (score) => score - normalizer);
}

export function logSumExp(scores: Float32Array): number {
  const max = maximum(scores);
  if (max === Number.NEGATIVE_INFINITY) return max;
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += Math.exp(scores[i]! - max);
  return max + Math.log(sum);
}

function maximum(scores: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) if (scores[i]! > max) max = scores[i]!;
  return max;
}

/** Index of the largest score, the first of equals; -1 when every token was removed. */
export function argmax(scores: Float32Array): number {
  let best = -1;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! > max) {
      max = scores[i]!;
      best = i;
    }
  }
  return best;
}

/** For `draw`, which runs for every token: a vocabulary's worth of garbage less each time. */
let unnormalised = new Float64Array(0);

/** A token that was drawn, and the logarithm of the sum of all e^score, which gives its log-probability. */
export interface Draw {
  /** -1 if every token was removed */
  readonly tokenId: number;
  readonly normalizer: number;
}

/** The first token at which the cumulative probability, in vocabulary order, exceeds `u` in [0, 1). */
export function draw(scores: Float32Array, u: number): Draw {
  const max = maximum(scores);
  if (max === Number.NEGATIVE_INFINITY) return { tokenId: -1, normalizer: max };
  const size = scores.length;
  if (unnormalised.length < size) unnormalised = new Float64Array(size);
  const probs = unnormalised;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const p = expOfNegative(scores[i]! - max);
    probs[i] = p;
    sum += p;
  }
  const normalizer = max + Math.log(sum);
  const target = u * sum;
  let cumulative = 0;
  let last = -1;
  for (let i = 0; i < size; i++) {
    if (probs[i]! > 0) {
      last = i;
      cumulative += probs[i]!;
      if (target < cumulative) return { tokenId: i, normalizer };
    }
  }
  return { tokenId: last, normalizer }; // rounding left the sum just below 1
}

/** `draw` without the normalizer. */
export const inverseCdf = (scores: Float32Array, u: number): number => draw(scores, u).tokenId;

/** The `k`-th largest value, by quickselect: a full sort of a 50,000-token vocabulary takes longer than a decode step. */
export function kthLargest(values: Float32Array | Float64Array, k: number): number {
  const work = values.slice();
  const target = k - 1;
  let left = 0;
  let right = work.length - 1;
  while (left < right) {
    const pivot = median(work[left]!, work[(left + right) >>> 1]!, work[right]!);
    let i = left;
    let j = right;
    while (i <= j) {
      while (work[i]! > pivot) i += 1;
      while (work[j]! < pivot) j -= 1;
      if (i <= j) {
        const swap = work[i]!;
        work[i] = work[j]!;
        work[j] = swap;
        i += 1;
        j -= 1;
      }
    }
    if (target <= j) right = j;
    else if (target >= i) left = i;
    else break;
  }
  return work[target]!;
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

/** The `k` best ids, best first, the lower id first among equals. */
export function topIndices(values: Float32Array | Float64Array, k: number): number[] {
  if (k <= 0) return [];
  const cut = k >= values.length ? Number.NEGATIVE_INFINITY : kthLargest(values, k);
  const ids: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i]! >= cut) ids.push(i);
  return ids.sort((a, b) => values[b]! - values[a]! || a - b).slice(0, k);
}

/** Ids by falling probability until their mass reaches `mass`; at least one. */
export function descendingUntil(probs: Float64Array, mass: number): Uint32Array {
  // Usually few tokens hold the mass: sort a growing head instead of everything.
  for (let head = Math.min(256, probs.length); ; head = Math.min(head * 8, probs.length)) {
    const ids = topIndices(probs, head);
    let reached = 0;
    for (let count = 0; count < ids.length; count++) {
      reached += probs[ids[count]!]!;
      if (reached >= mass) return Uint32Array.from(ids.slice(0, count + 1));
    }
    if (head === probs.length) return Uint32Array.from(ids);
  }
}
