import { InvalidMetricInputError } from '../errors.js';
import { words } from '../python-text.js';
import { countNGrams, overlap } from './n-grams.js';

export interface ChrfOptions {
  /** Longest character n-gram, default 6. */
  characterOrder?: number;
  /** Weight of recall, default 2. */
  beta?: number;
}

/** Per order: n-grams in the hypothesis, in the reference, in both. */
type Statistics = [hypothesis: number, reference: number, matches: number][];

function collect(hypothesis: string, reference: string, order: number): Statistics {
  const [a, b] = [hypothesis, reference].map((text) => Array.from(words(text).join('')));
  return Array.from({ length: order }, (_, index) => {
    const n = index + 1;
    const count = (characters: string[]) => Math.max(0, characters.length - n + 1);
    // As in sacrebleu, n-grams that a short reference has none of do not count against the hypothesis.
    return [count(b!) > 0 ? count(a!) : 0, count(b!), overlap(countNGrams(a!, n), countNGrams(b!, n))];
  });
}

function fScore(statistics: Statistics, beta: number): number {
  const usable = statistics.filter(([hypothesis, reference]) => hypothesis > 0 && reference > 0);
  if (usable.length === 0) return 0;
  const mean = (pick: (row: Statistics[number]) => number) =>
    usable.reduce((sum, row) => sum + pick(row), 0) / usable.length;
  const precision = mean(([hypothesis, , matches]) => matches / hypothesis);
  const recall = mean(([, reference, matches]) => matches / reference);
  if (precision + recall === 0) return 0;
  const weight = beta * beta;
  return (100 * (1 + weight) * precision * recall) / (weight * precision + recall);
}

function best(hypothesis: string, references: readonly string[], order: number, beta: number): Statistics {
  if (references.length === 0) {
    throw new InvalidMetricInputError('references', 'an empty list', 'give each hypothesis a reference');
  }
  const all = references.map((reference) => collect(hypothesis, reference, order));
  return all.reduce((top, one) => (fScore(one, beta) > fScore(top, beta) ? one : top));
}

/** chrF of one sentence (Popović 2015), 0 to 100; of several references the best one counts. */
export function sentenceChrf(
  hypothesis: string,
  references: readonly string[],
  { characterOrder = 6, beta = 2 }: ChrfOptions = {},
): number {
  return fScore(best(hypothesis, references, characterOrder, beta), beta);
}

/** Corpus chrF, 0 to 100: n-gram counts against each segment's best reference, summed. */
export function chrf(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  { characterOrder = 6, beta = 2 }: ChrfOptions = {},
): number {
  const total: Statistics = Array.from({ length: characterOrder }, () => [0, 0, 0]);
  hypotheses.forEach((hypothesis, index) => {
    best(hypothesis, references[index] ?? [], characterOrder, beta).forEach((row, n) => {
      for (const column of [0, 1, 2] as const) total[n]![column] += row[column];
    });
  });
  return fScore(total, beta);
}
