import { END_OF_WORD } from './bpe-vocabulary.js';
import { InvalidOptionError, TrainingAbortedError } from './errors.js';
import { learnMerges, type TrainingProgress } from './learn-merges.js';
import { keptApart, type Preprocessor } from './preprocess.js';

export interface BPETrainOptions {
  /** Tokens wanted, characters and special tokens included. Fewer when the texts do not yield more. */
  vocabSize: number;
  /** Pairs that occur less often are not merged. Default: 0. */
  minFrequency?: number;
  /** They get the first ids. Default: `['<unk>']`; lossless: none. */
  specialTokens?: readonly string[];
  /** What the texts go through. Default: `'basic'`. */
  preprocess?: 'basic' | 'lossless' | Preprocessor;
  /** Characters that are in the vocabulary whether they are seen or not. Default: none. */
  initialAlphabet?: Iterable<string>;
  /** Keep only this many of the characters that are seen, the most frequent ones. Default: all. */
  limitAlphabet?: number;
  /** Merged tokens stay shorter than this many characters, but for pairs of single ones. Default: no limit. */
  maxTokenLength?: number;
  /**
   * Distinct words kept at most. Beyond it the rarest are dropped (lossy counting, Manku and Motwani 2002). Default:
   * 2^21.
   */
  maxWords?: number;
  onProgress?: (progress: TrainingProgress) => void;
  signal?: AbortSignal;
}

/** Names of the 256 byte tokens of lossless vocabularies. */
export const byteTokens: readonly string[] = /* @__PURE__ */ Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
);

/** Learns GPT-1's kind of vocabulary. Ids: special tokens, byte tokens, characters, characters that end a word, merges. */
export async function trainBPE(
  texts: Iterable<string> | AsyncIterable<string>,
  options: BPETrainOptions,
  preprocessor: Preprocessor,
  special: readonly string[],
): Promise<{ vocab: Record<string, number>; merges: string[] }> {
  const { vocabSize, maxWords = 1 << 21, minFrequency = 0 } = options;
  if (!Number.isInteger(vocabSize) || vocabSize < 1 || vocabSize >= 1 << 20) {
    throw new InvalidOptionError(
      `vocabSize: expected a whole number from 1 to 2^20 - 1, received ${String(vocabSize)}`,
    );
  }
  if (!(maxWords >= 1024))
    throw new InvalidOptionError(`maxWords: expected at least 1,024, received ${String(maxWords)}`);
  if (!(minFrequency >= 0)) {
    throw new InvalidOptionError(`minFrequency: expected a number from 0, received ${String(minFrequency)}`);
  }
  const words = await countWords(texts, preprocessor, maxWords, options);
  const alphabet = alphabetOf(words, options);
  const bytes = preprocessor.name === 'lossless' ? byteTokens : [];
  const tokens = [...special, ...bytes, ...alphabet, ...alphabet.map((char) => char + END_OF_WORD)];
  if (vocabSize < tokens.length) {
    throw new InvalidOptionError(
      `vocabSize: ${vocabSize} has no room for the ${tokens.length} characters and special tokens; raise it or set limitAlphabet`,
    );
  }
  const firstCharacter = special.length + bytes.length;
  const ids = new Map(alphabet.map((char, i) => [char, firstCharacter + i]));
  const symbols: number[] = [];
  const offsets: number[] = [0];
  const counts: number[] = [];
  for (const [word, count] of words) {
    const chars = Array.from(word, (char) => ids.get(char) ?? -1);
    chars[chars.length - 1]! += chars[chars.length - 1]! < 0 ? 0 : alphabet.length;
    // A character outside of the alphabet is no part of any pair.
    for (const part of splitAtUnknown(chars)) {
      for (const id of part) symbols.push(id);
      offsets.push(symbols.length);
      counts.push(count);
    }
  }
  const learned = await learnMerges(
    {
      symbols: Int32Array.from(symbols),
      offsets: Int32Array.from(offsets),
      counts: Float64Array.from(counts),
    },
    { ...options, tokens, minFrequency },
  );
  return {
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: learned.lefts.map((left, i) => `${tokens[left]!} ${tokens[learned.rights[i]!]!}`),
  };
}

async function countWords(
  texts: Iterable<string> | AsyncIterable<string>,
  preprocessor: Preprocessor,
  limit: number,
  { onProgress, signal }: BPETrainOptions,
): Promise<Map<string, number>> {
  let words = new Map<string, number>();
  let done = 0;
  let pause = Date.now() + 40;
  for await (const text of typeof texts === 'string' ? [texts] : texts) {
    if (typeof text !== 'string')
      throw new InvalidOptionError(`texts: expected strings, received ${typeof text}`);
    for (const word of preprocessor.words(text)) words.set(word, (words.get(word) ?? 0) + 1);
    if (words.size > limit) words = withoutRarest(words);
    done += text.length;
    if (signal?.aborted) throw new TrainingAbortedError('training was aborted', { cause: signal.reason });
    if (Date.now() > pause) {
      onProgress?.({ phase: 'count', done });
      await new Promise((resolve) => setTimeout(resolve));
      pause = Date.now() + 40;
    }
  }
  return words;
}

function withoutRarest(words: Map<string, number>): Map<string, number> {
  const median = Float64Array.from(words.values()).sort()[words.size >> 1]!;
  return new Map([...words].filter(([, count]) => count > median));
}

function alphabetOf(
  words: Map<string, number>,
  { initialAlphabet = [], limitAlphabet }: BPETrainOptions,
): string[] {
  const counts = new Map<string, number>();
  for (const [word, count] of words)
    for (const char of word) counts.set(char, (counts.get(char) ?? 0) + count);
  const initial = new Set(initialAlphabet);
  let seen = [...counts].filter(([char]) => !initial.has(char) && keptApart(char) === undefined);
  if (limitAlphabet !== undefined) {
    seen = seen
      .sort((a, b) => b[1] - a[1] || byCodePoint(a[0], b[0]))
      .slice(0, Math.max(0, limitAlphabet - initial.size));
  }
  return [...initial, ...seen.map(([char]) => char)].sort(byCodePoint);
}

function byCodePoint(a: string, b: string): number {
  return a.codePointAt(0)! - b.codePointAt(0)!;
}

function splitAtUnknown(ids: number[]): number[][] {
  const parts: number[][] = [[]];
  for (const id of ids) {
    if (id < 0) parts.push([]);
    else parts[parts.length - 1]!.push(id);
  }
  return parts.filter((part) => part.length > 1);
}
