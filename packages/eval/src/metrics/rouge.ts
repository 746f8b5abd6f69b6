import { countNGrams, overlap } from './n-grams.js';

export interface RougeScore {
  precision: number;
  recall: number;
  fmeasure: number;
}

/** Lower case, runs outside [a-z0-9] become one break; no stemming. */
export function tokenizeRouge(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/u)
    .filter((token) => token !== '');
}

function fromCounts(matches: number, predicted: number, wanted: number): RougeScore {
  const precision = predicted > 0 ? matches / predicted : 0;
  const recall = wanted > 0 ? matches / wanted : 0;
  const fmeasure = precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
  return { precision, recall, fmeasure };
}

/** Length of the longest common subsequence, in memory linear in the shorter text. */
export function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  let previous = new Uint32Array(short.length + 1);
  let current = new Uint32Array(short.length + 1);
  for (const token of long) {
    for (let j = 1; j <= short.length; j++) {
      current[j] = token === short[j - 1] ? previous[j - 1]! + 1 : Math.max(previous[j]!, current[j - 1]!);
    }
    [previous, current] = [current, previous];
  }
  return previous[short.length]!;
}

/** ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) of one prediction against one reference. */
export function rouge(
  prediction: string,
  reference: string,
): { rouge1: RougeScore; rouge2: RougeScore; rougeL: RougeScore } {
  const [a, b] = [tokenizeRouge(prediction), tokenizeRouge(reference)];
  const nGram = (n: number) =>
    fromCounts(
      overlap(countNGrams(a, n), countNGrams(b, n)),
      Math.max(0, a.length - n + 1),
      Math.max(0, b.length - n + 1),
    );
  return {
    rouge1: nGram(1),
    rouge2: nGram(2),
    rougeL: fromCounts(longestCommonSubsequence(a, b), a.length, b.length),
  };
}
