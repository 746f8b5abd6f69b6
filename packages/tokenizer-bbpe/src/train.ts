import {
  InvalidOptionError,
  learnMerges,
  TrainingAbortedError,
  type TrainingProgress,
} from '@gpt-lineage/tokenizer-bpe';
import { byteOrder, characterOfByte } from './byte-alphabet.js';
import type { TokenizerDefinition } from './definition.js';
import { knownPattern, patterns, scannerOf, toRegExp } from './patterns.js';
import { SLACK } from './token-table.js';
import type { Vocabulary } from './vocabulary.js';
import { WordCounter } from './word-counter.js';

export interface TrainOptions {
  /** Tokens wanted: special tokens, the 256 bytes, and one per merge. Fewer when the texts do not yield more. */
  vocabSize: number;
  /** Pairs that occur less often are not merged. Default: 0, merge as long as any pair is left. */
  minFrequency?: number;
  /** They get the first ids, in this order. Default: none. */
  specialTokens?: readonly string[];
  /** Merged tokens stay shorter than this many bytes, but for pairs of single ones (as in Hugging Face's trainer). Default: no limit. */
  maxTokenLength?: number;
  /** The split pattern. Default: GPT-2's. */
  pattern?: string | RegExp;
  /**
   * Distinct words kept at most; the memory of a training run is bounded by it (roughly 350 bytes per word).
   * Beyond it the rarest are dropped, see `WordCounter`. Default: 2^21.
   */
  maxWords?: number;
  onProgress?: (progress: TrainingProgress) => void;
  signal?: AbortSignal;
}

/**
 * Learns a byte-level vocabulary. Every text is split on its own. Ids: special tokens, the 256 bytes in the order of
 * their byte characters, then one per merge. Ties and counts as in `learnMerges`, so the result is that of Hugging
 * Face's `BpeTrainer` with `ByteLevel.alphabet()`.
 *
 * @throws {InvalidOptionError} for options outside of what is documented
 * @throws {TrainingAbortedError} when `signal` fires
 */
export async function trainVocabulary(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainOptions,
): Promise<TokenizerDefinition> {
  checkTrainOptions(options);
  const counter = new WordCounter(options.maxWords ?? 1 << 21);
  const add = textAdder(counter, sourceOf(options.pattern));
  let read = 0;
  let pause = Date.now() + 40;
  if (typeof texts === 'string') texts = [texts];
  for await (const text of texts) {
    if (typeof text !== 'string')
      throw new InvalidOptionError(`texts: expected strings, received ${typeof text}`);
    add(text);
    read += text.length;
    if (options.signal?.aborted)
      throw new TrainingAbortedError('training was aborted', { cause: options.signal.reason });
    if (Date.now() > pause) {
      options.onProgress?.({ phase: 'count', done: read });
      await new Promise((resolve) => setTimeout(resolve));
      pause = Date.now() + 40;
    }
  }
  return trainFromCounter(counter, options);
}

/** The second half of training: from counted words to a vocabulary. */
export async function trainFromCounter(
  counter: WordCounter,
  options: TrainOptions,
): Promise<TokenizerDefinition> {
  const special = options.specialTokens ?? [];
  const first = special.length;
  const byteIds = new Int32Array(256);
  byteOrder.forEach((byte, order) => {
    byteIds[byte] = first + order;
  });
  // Special tokens are kept apart from what merges may make.
  const tokens = [
    ...special.map((token) => `\0${token}`),
    ...Array.from(byteOrder, (byte) => characterOfByte[byte]!),
  ];
  const learned = await learnMerges(counter.trainingWords(byteIds), {
    tokens,
    vocabSize: options.vocabSize,
    minFrequency: options.minFrequency ?? 0,
    maxTokenLength: options.maxTokenLength,
    onProgress: options.onProgress,
    signal: options.signal,
  });
  const size = tokens.length;
  const lengths = tokens.map((token, id) => (id < first ? 0 : token.length));
  const offsets = new Int32Array(size + 1);
  for (let id = 0; id < size; id++) offsets[id + 1] = offsets[id]! + lengths[id]!;
  const bytes = new Uint8Array(offsets[size]! + SLACK);
  bytes.set(byteOrder, offsets[first]!);
  learned.results.forEach((id, merge) => {
    let at = offsets[id]!;
    for (const part of [learned.lefts[merge]!, learned.rights[merge]!]) {
      bytes.set(bytes.subarray(offsets[part]!, offsets[part + 1]!), at);
      at += lengths[part]!;
    }
  });
  const vocabulary: Vocabulary = {
    bytes,
    offsets,
    byteIds,
    lefts: Int32Array.from(learned.lefts),
    rights: Int32Array.from(learned.rights),
    results: Int32Array.from(learned.results),
  };
  return {
    vocabulary,
    pattern: sourceOf(options.pattern),
    wholePieces: false,
    specialTokens: new Map(special.map((token, id) => [token, id])),
  };
}

/** Adds texts to a counter, split by a pattern. */
export function textAdder(counter: WordCounter, pattern: string): (text: string) => void {
  const known = knownPattern(pattern);
  if (known !== undefined) {
    const scan = scannerOf(known);
    return (text) => counter.addText(text, scan);
  }
  const regExp = toRegExp(pattern);
  return (text) => counter.addPieces(text.match(regExp) ?? []);
}

export function sourceOf(pattern: string | RegExp | undefined): string {
  return pattern === undefined ? patterns.gpt2 : typeof pattern === 'string' ? pattern : pattern.source;
}

export function checkTrainOptions({
  vocabSize,
  minFrequency = 0,
  specialTokens = [],
  maxTokenLength,
}: TrainOptions): void {
  const least = 256 + specialTokens.length;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize >= 1 << 20) {
    throw new InvalidOptionError(
      `vocabSize: expected a whole number from ${least} (256 bytes and ${specialTokens.length} special tokens) to 2^20 - 1, received ${String(vocabSize)}`,
    );
  }
  if (!(minFrequency >= 0)) {
    throw new InvalidOptionError(`minFrequency: expected a number from 0, received ${String(minFrequency)}`);
  }
  if (maxTokenLength !== undefined && !(maxTokenLength >= 1)) {
    throw new InvalidOptionError(
      `maxTokenLength: expected a number from 1, received ${String(maxTokenLength)}`,
    );
  }
  if (new Set(specialTokens).size !== specialTokens.length || specialTokens.includes('')) {
    throw new InvalidOptionError('specialTokens: expected different, non-empty strings');
  }
}
