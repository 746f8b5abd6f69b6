import { words } from '../python-text.js';
import { countNGrams, overlap } from './n-grams.js';

// Letters of all languages count for the border of a word: the end of “océan” is no article.
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;
const PUNCTUATION = /[!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]/gu;

/** SQuAD's normalisation: lower case, no ASCII punctuation, no articles, single spaces. */
export function normalizeAnswer(text: string): string {
  const bare = text.toLowerCase().replace(PUNCTUATION, '').replace(ARTICLES, ' ');
  return words(bare).join(' ');
}

/** 1 when the normalised prediction equals any normalised answer, else 0. */
export function exactMatch(prediction: string, answers: readonly string[]): number {
  const normalized = normalizeAnswer(prediction);
  return answers.some((answer) => normalizeAnswer(answer) === normalized) ? 1 : 0;
}

/** Token F1 against the best of the answers (Rajpurkar et al. 2016). Two empty texts count 1. */
export function tokenF1(prediction: string, answers: readonly string[]): number {
  const predicted = words(normalizeAnswer(prediction));
  return Math.max(
    0,
    ...answers.map((answer) => {
      const wanted = words(normalizeAnswer(answer));
      if (predicted.length === 0 || wanted.length === 0) return predicted.length === wanted.length ? 1 : 0;
      const shared = overlap(countNGrams(predicted, 1), countNGrams(wanted, 1));
      return (2 * shared) / (predicted.length + wanted.length);
    }),
  );
}
