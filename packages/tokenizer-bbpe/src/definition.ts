import type { Normalizer } from './normalization.js';
import type { Scanner } from './scanners/scanner.js';
import type { SpecialTokenChoice } from './special-tokens.js';
import type { Vocabulary } from './vocabulary.js';

/** Everything that decides the ids of a text. */
export interface TokenizerDefinition {
  vocabulary: Vocabulary;
  /** The split pattern, in the dialect of tiktoken. */
  pattern: string;
  /** Whether a piece that is a token is that token, without merging (tiktoken), or merges alone decide. */
  wholePieces: boolean;
  specialTokens: ReadonlyMap<string, number>;
  /** Tokens of `specialTokens` that are recognised in every text. */
  alwaysSpecial?: ReadonlySet<string>;
  normalizer?: Normalizer | undefined;
  /** A space goes before a text that does not begin with one. */
  addPrefixSpace?: boolean;
  /** `</w>`, for vocabularies that mark the ends of words: white space is then dropped, and decoded as one space. */
  endOfWord?: string;
  /** Scanner of a pattern that is not among the known ones. */
  scanner?: Scanner;
}

export interface EncodeOptions {
  /** Special tokens to recognise in the text; others are plain text. Default: none. */
  allowedSpecial?: SpecialTokenChoice;
  /** Special tokens that must not occur, unless allowed. Default: none, so that no user text is ever refused. */
  disallowedSpecial?: SpecialTokenChoice;
}

/** Ids of many texts, one after the other; text `i` ends before `ends[i]`. */
export interface EncodedBatch {
  tokenIds: Uint32Array<ArrayBuffer>;
  ends: Uint32Array<ArrayBuffer>;
}

export interface FromTiktokenOptions {
  /** The split pattern, as tiktoken writes it. */
  pattern: string | RegExp;
  /** Special tokens and their ids. Default: none. */
  specialTokens?: Readonly<Record<string, number>> | ReadonlyMap<string, number>;
  /** Pieces that are not tokens and whose ids are remembered. Default: 16,384. */
  cacheSize?: number;
}
