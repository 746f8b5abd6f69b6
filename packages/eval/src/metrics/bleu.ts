import { InvalidMetricInputError } from '../errors.js';
import { stripEnd, words } from '../python-text.js';
import { countNGrams, overlap } from './n-grams.js';

const MAX_ORDER = 4;

export interface BleuOptions {
  /** `'13a'` (default, mteval's), `'none'` (the text is tokenised already) or `'char'`. */
  tokenizer?: '13a' | 'none' | 'char';
  /** What a missing n-gram order is given: `'exp'` (default), `'floor'`, `'add-k'` or `'none'`. */
  smoothing?: 'exp' | 'floor' | 'add-k' | 'none';
  /** Default 0.1 for `'floor'`, 1 for `'add-k'`. */
  smoothingValue?: number;
  lowercase?: boolean;
  /** Average only over the orders the hypothesis is long enough for; the default for sentences. */
  effectiveOrder?: boolean;
}

export interface BleuScore {
  /** 0 to 100. */
  score: number;
  /** Of orders 1 to 4, 0 to 100. */
  precisions: number[];
  brevityPenalty: number;
  hypothesisLength: number;
  referenceLength: number;
  matches: number[];
  totals: number[];
}

/** The tokenizer of mteval-v13a, as the WMT scores use it. */
export function tokenize13a(text: string): string[] {
  let line = text.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
  if (line.includes('&')) {
    line = line
      .replaceAll('&quot;', '"')
      .replaceAll('&amp;', '&')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>');
  }
  line = ` ${line} `
    .replace(/([{-~[-` -&(-+:-@/])/gu, ' $1 ')
    .replace(/([^0-9])([.,])/gu, '$1 $2 ')
    .replace(/([.,])([^0-9])/gu, ' $1 $2')
    .replace(/([0-9])(-)/gu, '$1 $2 ');
  return words(line);
}

function tokenize(text: string, { tokenizer = '13a', lowercase = false }: BleuOptions): string[] {
  const line = lowercase ? text.toLowerCase() : text;
  if (tokenizer === '13a') return tokenize13a(stripEnd(line));
  if (tokenizer === 'char') return Array.from(words(line).join(''));
  return words(line);
}

interface Statistics {
  matches: number[];
  totals: number[];
  hypothesisLength: number;
  referenceLength: number;
}

function collect(hypothesis: string, references: readonly string[], options: BleuOptions): Statistics {
  const tokens = tokenize(hypothesis, options);
  const referenceTokens = references.map((reference) => tokenize(reference, options));
  // The reference closest in length counts, the shorter one on a tie.
  const referenceLength = referenceTokens
    .map((reference) => reference.length)
    .reduce((best, length) => {
      const [gap, bestGap] = [Math.abs(length - tokens.length), Math.abs(best - tokens.length)];
      return gap < bestGap || (gap === bestGap && length < best) ? length : best;
    }, Number.POSITIVE_INFINITY);
  const matches: number[] = [];
  const totals: number[] = [];
  for (let n = 1; n <= MAX_ORDER; n++) {
    const most = new Map<string, number>();
    for (const reference of referenceTokens) {
      for (const [gram, count] of countNGrams(reference, n))
        most.set(gram, Math.max(count, most.get(gram) ?? 0));
    }
    matches.push(overlap(countNGrams(tokens, n), most));
    totals.push(Math.max(0, tokens.length - n + 1));
  }
  return { matches, totals, hypothesisLength: tokens.length, referenceLength };
}

function score(statistics: Statistics, options: BleuOptions): BleuScore {
  const { smoothing = 'exp', effectiveOrder = false } = options;
  const value = options.smoothingValue ?? (smoothing === 'floor' ? 0.1 : 1);
  const { hypothesisLength, referenceLength } = statistics;
  const matches = [...statistics.matches];
  const totals = [...statistics.totals];
  const precisions = new Array<number>(MAX_ORDER).fill(0);
  const brevityPenalty =
    hypothesisLength >= referenceLength
      ? 1
      : hypothesisLength > 0
        ? Math.exp(1 - referenceLength / hypothesisLength)
        : 0;
  const result = { precisions, brevityPenalty, hypothesisLength, referenceLength, matches, totals };
  if (matches.every((count) => count === 0)) return { score: 0, ...result };

  let order = MAX_ORDER;
  let exponential = 1;
  for (let n = 0; n < MAX_ORDER; n++) {
    if (smoothing === 'add-k' && n > 0) {
      matches[n]! += value;
      totals[n]! += value;
    }
    if (totals[n] === 0) break;
    if (effectiveOrder) order = n + 1;
    if (matches[n]! > 0) {
      precisions[n] = (100 * matches[n]!) / totals[n]!;
    } else if (smoothing === 'exp') {
      exponential *= 2;
      precisions[n] = 100 / (exponential * totals[n]!);
    } else if (smoothing === 'floor') {
      precisions[n] = (100 * value) / totals[n]!;
    }
  }
  const logs = precisions.slice(0, order).reduce((sum, precision) => sum + Math.log(precision), 0); // log 0 = −∞ → 0
  return { score: brevityPenalty * Math.exp(logs / order), ...result };
}

function checkReferences(references: readonly (readonly string[])[]): void {
  const empty = references.findIndex((list) => list.length === 0);
  if (empty >= 0) {
    throw new InvalidMetricInputError(
      `references[${empty}]`,
      'an empty list',
      'give each hypothesis a reference',
    );
  }
}

/**
 * Corpus BLEU (Papineni et al. 2002) with sacrebleu's conventions: n-gram counts are summed over the corpus first.
 *
 * @param hypotheses one text per segment
 * @param references for each segment, one or more reference texts
 */
export function bleu(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  if (hypotheses.length !== references.length) {
    throw new InvalidMetricInputError(
      'references',
      `${references.length} lists`,
      `give one list per hypothesis (${hypotheses.length})`,
    );
  }
  checkReferences(references);
  const total: Statistics = {
    matches: new Array(MAX_ORDER).fill(0),
    totals: new Array(MAX_ORDER).fill(0),
    hypothesisLength: 0,
    referenceLength: 0,
  };
  hypotheses.forEach((hypothesis, index) => {
    const one = collect(hypothesis, references[index]!, options);
    for (let n = 0; n < MAX_ORDER; n++) {
      total.matches[n]! += one.matches[n]!;
      total.totals[n]! += one.totals[n]!;
    }
    total.hypothesisLength += one.hypothesisLength;
    total.referenceLength += one.referenceLength;
  });
  return score(total, options);
}

/** BLEU of one sentence; `effectiveOrder` defaults to `true` here. */
export function sentenceBleu(
  hypothesis: string,
  references: readonly string[],
  options: BleuOptions = {},
): BleuScore {
  checkReferences([references]);
  const all = { effectiveOrder: true, ...options };
  return score(collect(hypothesis, references, all), all);
}
