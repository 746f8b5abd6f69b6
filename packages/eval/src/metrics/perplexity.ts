import { InvalidMetricInputError } from '../errors.js';
import { words } from '../python-text.js';

/** A text and the natural log-probabilities a model gave its tokens. */
export interface ScoredText {
  text: string;
  tokenLogProbs: readonly number[];
}

export interface PerplexityReport {
  /** e^(nats per token) */
  tokenPerplexity: number;
  /** e^(nats per white-space word), comparable across vocabularies. */
  wordPerplexity: number;
  /** e^(nats per UTF-8 byte) */
  bytePerplexity: number;
  /** Independent of the vocabulary; base 2. */
  bitsPerByte: number;
  bitsPerToken: number;
  tokens: number;
  words: number;
  bytes: number;
  /** Negative log-likelihood of everything, nats. */
  negativeLogLikelihood: number;
}

const utf8 = new TextEncoder();

/**
 * Perplexities of a corpus, from sums over all texts (never means of per-text values).
 *
 * @throws {InvalidMetricInputError} when there is nothing to divide by
 */
export function perplexity(texts: readonly ScoredText[]): PerplexityReport {
  let [nats, tokens, wordCount, bytes] = [0, 0, 0, 0];
  for (const { text, tokenLogProbs } of texts) {
    for (const logProb of tokenLogProbs) nats -= logProb;
    tokens += tokenLogProbs.length;
    wordCount += words(text).length;
    bytes += utf8.encode(text).length;
  }
  if (tokens === 0 || bytes === 0) {
    throw new InvalidMetricInputError(
      'texts',
      `${tokens} tokens`,
      'give at least one text with scored tokens',
    );
  }
  return {
    tokenPerplexity: Math.exp(nats / tokens),
    wordPerplexity: Math.exp(nats / Math.max(1, wordCount)),
    bytePerplexity: Math.exp(nats / bytes),
    bitsPerByte: nats / bytes / Math.LN2,
    bitsPerToken: nats / tokens / Math.LN2,
    tokens,
    words: wordCount,
    bytes,
    negativeLogLikelihood: nats,
  };
}
