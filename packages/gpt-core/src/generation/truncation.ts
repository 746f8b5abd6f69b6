import { InvalidArgumentError } from '../errors.js';
import type { LogitsProcessor } from './logits-processor.js';
import { descendingUntil, kthLargest, logSoftmax, softmax } from './probabilities.js';

const removed = Number.NEGATIVE_INFINITY;

/** Divides the scores: below 1 sharpens, above 1 flattens. */
export function temperature(value: number): LogitsProcessor {
  if (!(value > 0))
    throw new InvalidArgumentError('temperature', value, 'must be above 0 (0 means greedy search)');
  return (scores) => {
    if (value !== 1) for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / value;
  };
}

/** Keeps the `k` highest scores, and those equal to the last of them. Fan et al. 2018. */
export function topK(k: number): LogitsProcessor {
  if (!Number.isInteger(k) || k < 1)
    throw new InvalidArgumentError('topK', k, 'must be at least 1, or 0 for off');
  return (scores) => {
    if (k >= scores.length) return;
    const cut = kthLargest(scores, k);
    for (let i = 0; i < scores.length; i++) if (scores[i]! < cut) scores[i] = removed;
  };
}

/** Keeps the smallest set of most likely tokens whose mass reaches `p`. Holtzman et al. 2020 (nucleus sampling). */
export function topP(p: number): LogitsProcessor {
  checkShare('topP', p);
  return (scores) => {
    if (p >= 1) return;
    const probs = softmax(scores);
    keepOnly(scores, descendingUntil(probs, p));
  };
}

/** Keeps tokens at least `minP` times as likely as the most likely one. Nguyen et al. 2024. */
export function minP(share: number): LogitsProcessor {
  checkShare('minP', share);
  return (scores) => {
    const probs = softmax(scores);
    let top = 0;
    for (const p of probs) top = Math.max(top, p);
    for (let i = 0; i < scores.length; i++) if (probs[i]! < share * top) scores[i] = removed;
  };
}

/**
 * Keeps the tokens whose surprise is closest to the entropy, until their mass reaches `mass`. Meister et al. 2023
 * (locally typical sampling).
 */
export function typicalP(mass: number): LogitsProcessor {
  checkShare('typicalP', mass);
  return (scores) => {
    if (mass >= 1) return;
    const logProbs = logSoftmax(scores);
    let entropy = 0;
    for (const logProb of logProbs) if (logProb > removed) entropy -= logProb * Math.exp(logProb);
    const distance = Float64Array.from(logProbs, (logProb) => Math.abs(-logProb - entropy));
    const order = Uint32Array.from(distance.keys()).sort((a, b) => distance[a]! - distance[b]!);
    let reached = 0;
    let cut = distance[order[0]!]!;
    for (const id of order) {
      cut = distance[id]!;
      reached += Math.exp(logProbs[id]!);
      if (reached >= mass) break;
    }
    for (let i = 0; i < scores.length; i++) if (distance[i]! > cut) scores[i] = removed;
  };
}

/** Removes tokens less likely than `epsilon`; the most likely one always stays. Hewitt et al. 2022. */
export function epsilonCutoff(epsilon: number): LogitsProcessor {
  checkShare('epsilonCutoff', epsilon);
  return (scores) => {
    const probs = softmax(scores);
    let top = removed;
    for (const score of scores) top = Math.max(top, score);
    for (let i = 0; i < scores.length; i++) if (probs[i]! < epsilon && scores[i]! < top) scores[i] = removed;
  };
}

function keepOnly(scores: Float32Array, kept: Uint32Array): void {
  const values = Float32Array.from(kept, (id) => scores[id]!);
  scores.fill(removed);
  kept.forEach((id, i) => {
    scores[id] = values[i]!;
  });
}

function checkShare(name: string, value: number): void {
  if (!(value > 0 && value <= 1))
    throw new InvalidArgumentError(name, value, 'must be above 0 and at most 1');
}
