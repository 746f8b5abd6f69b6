import { InvalidOptionError, MergeTable } from '@gpt-lineage/tokenizer-bpe';
import { DecodeStream } from './decode-stream.js';
import type { EncodedBatch, EncodeOptions, FromTiktokenOptions, TokenizerDefinition } from './definition.js';
import { fingerprintOf } from './fingerprint.js';
import { PieceEncoder } from './piece-encoder.js';
import { type RankSource, vocabularyFromRanks } from './rank-file.js';
import { Count, IdBuffer, Ids } from './sinks.js';
import { SpecialTokens, specialTokenMap } from './special-tokens.js';
import { TextEncoding } from './text-encoding.js';
import { TokenBytes } from './token-bytes.js';
import { type TokenOffset, tokenOffsets } from './token-offsets.js';
import { TokenTable } from './token-table.js';
import { parseTokenizerJSON, type TokenizerJSON, toTokenizerJSON } from './tokenizer-json.js';
import { type TrainOptions, trainVocabulary } from './train.js';
import { mergesReachEveryToken } from './vocabulary.js';

export const DEFAULT_CACHE_SIZE = 1 << 14;

const textDecoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Byte-level byte-pair encoding: GPT-2 (Radford et al. 2019, section 2.2) and its successors, and CLIP.
 *
 * Instances hold work space and a bounded cache, but no state that changes results.
 */
export class ByteLevelBPETokenizer {
  readonly definition: TokenizerDefinition;
  readonly #encoder: PieceEncoder;
  readonly #texts: TextEncoding;
  readonly #tokens: TokenBytes;
  readonly #ids = new IdBuffer();
  #fingerprint: string | undefined;

  constructor(definition: TokenizerDefinition, cacheSize: number = DEFAULT_CACHE_SIZE) {
    if (!Number.isInteger(cacheSize) || cacheSize < 0) {
      throw new InvalidOptionError(
        `cacheSize: expected a whole number from 0, received ${String(cacheSize)}`,
      );
    }
    const { vocabulary } = definition;
    const { lefts, rights, results } = vocabulary;
    const merges = definition.wholePieces ? undefined : new MergeTable(lefts, rights, results);
    const lookUp =
      merges === undefined ||
      (definition.endOfWord === undefined && mergesReachEveryToken(vocabulary, merges));
    const tokens = lookUp ? new TokenTable(vocabulary.bytes, vocabulary.offsets) : undefined;
    this.definition = definition;
    this.#encoder = new PieceEncoder({ vocabulary, merges, tokens, cacheSize });
    this.#tokens = new TokenBytes(vocabulary, definition.specialTokens);
    const special = new SpecialTokens(definition.specialTokens, definition.alwaysSpecial);
    this.#texts = new TextEncoding(definition, special, this.#encoder, (id) => this.#tokens.of(id));
  }

  /**
   * A tokenizer from tiktoken's ranks.
   *
   * @throws {InvalidVocabularyError} see `vocabularyFromRanks`; also a special token on the id of another token
   */
  static fromTiktoken(ranks: RankSource, options: FromTiktokenOptions): ByteLevelBPETokenizer {
    const vocabulary = vocabularyFromRanks(ranks);
    const pattern = typeof options?.pattern === 'string' ? options.pattern : options?.pattern?.source;
    if (pattern === undefined) {
      throw new InvalidOptionError(
        'pattern: fromTiktoken needs the split pattern, which rank files do not hold',
      );
    }
    const specialTokens = specialTokenMap(options.specialTokens ?? {}, vocabulary);
    return new ByteLevelBPETokenizer(
      { vocabulary, pattern, wholePieces: true, specialTokens },
      options.cacheSize,
    );
  }

  /**
   * Reads Hugging Face's `tokenizer.json` (an object or its text).
   *
   * @throws {InvalidVocabularyError} malformed or contradictory
   * @throws {UnsupportedTokenizerError} a model, normalizer or pre-tokenizer that is not byte-level BPE as known here
   */
  static fromTokenizerJSON(json: string | object): ByteLevelBPETokenizer {
    const tokenizer = new ByteLevelBPETokenizer(parseTokenizerJSON(json));
    void tokenizer.#encoder.merges; // checked now, not when they are first needed
    return tokenizer;
  }

  /** Learns a vocabulary from texts. See `TrainOptions`. */
  static async train(
    texts: Iterable<string> | AsyncIterable<string>,
    options: TrainOptions,
  ): Promise<ByteLevelBPETokenizer> {
    return new ByteLevelBPETokenizer(await trainVocabulary(texts, options));
  }

  /** One more than the highest id, special tokens included. */
  get vocabSize(): number {
    return this.#tokens.vocabSize;
  }

  get specialTokens(): ReadonlyMap<string, number> {
    return this.definition.specialTokens;
  }

  get pattern(): string {
    return this.definition.pattern;
  }

  /** SHA-256 over everything that decides ids: tokens, merges, pattern, special tokens, normalisation. */
  get fingerprint(): string {
    this.#fingerprint ??= fingerprintOf(this.definition, this.#encoder.merges);
    return this.#fingerprint;
  }

  /**
   * Token ids of a text. Lone surrogates are encoded as U+FFFD.
   *
   * @throws {SpecialTokenError} only when `disallowedSpecial` asks for it
   */
  encode(text: string, options: EncodeOptions = {}): number[] {
    return this.#collect(text, options).toArray();
  }

  /** `encode` without any special tokens. */
  encodeOrdinary(text: string): number[] {
    const sink = new Ids();
    this.#texts.ordinary(text, sink);
    return sink.toArray();
  }

  /** `encode` into a typed array: half the memory, no boxing. */
  encodeToUint32(text: string, options: EncodeOptions = {}): Uint32Array {
    return this.#collect(text, options).toUint32();
  }

  /** Encodes every text, one after the other. For several threads see `EncoderPool` in the `/node` entry point. */
  encodeBatch(texts: readonly string[], options: EncodeOptions = {}): number[][] {
    return texts.map((text) => this.encode(text, options));
  }

  /**
   * Encodes every text into one array: for shards and training data, where millions of small arrays would be a burden.
   *
   * @returns ids of all texts, one after the other; text `i` ends before `ends[i]`
   */
  encodeBatchToUint32(texts: readonly string[], options: EncodeOptions = {}): EncodedBatch {
    const ids = this.#ids;
    const ends = new Uint32Array(texts.length);
    try {
      for (let i = 0; i < texts.length; i++) {
        this.#texts.encode(texts[i]!, options, ids);
        ends[i] = ids.length;
      }
      return { tokenIds: ids.toUint32(), ends };
    } finally {
      ids.clear();
    }
  }

  /**
   * Token ids of any bytes; `decodeBytes` gives exactly these bytes back. Valid UTF-8 is encoded like text. From the
   * piece in which the first invalid byte lies, the rest is merged as one piece, as tiktoken does.
   */
  encodeBytes(bytes: Uint8Array): number[] {
    this.#refuseRewriting('encodeBytes');
    return this.#texts.encodeBytes(bytes);
  }

  /** How many tokens `encode` would give. */
  count(text: string, options: EncodeOptions = {}): number {
    const counter = new Count();
    this.#texts.encode(text, options, counter);
    return counter.count;
  }

  /** Whether a text has at most `limit` tokens; stops reading soon after the limit is passed. */
  isWithinLimit(text: string, limit: number, options: EncodeOptions = {}): boolean {
    if (Number.isNaN(limit)) throw new InvalidOptionError('limit: expected a number, received NaN');
    const counter = new Count(limit);
    this.#texts.encode(text, options, counter);
    return counter.count <= limit;
  }

  /**
   * Tokens and where they lie in the text.
   *
   * @throws {InvalidOptionError} for encodings that rewrite the text first (CLIP), where offsets have no meaning
   */
  encodeWithOffsets(text: string, options: EncodeOptions = {}): TokenOffset[] {
    this.#refuseRewriting('encodeWithOffsets');
    return tokenOffsets(text, this.encode(text, options), (id) => this.#tokens.lengthOf(id));
  }

  /**
   * The text of token ids. Bytes that are not UTF-8 (a character cut in half) become U+FFFD.
   *
   * @throws {UnknownTokenIdError}
   */
  decode(tokenIds: Iterable<number>): string {
    const text = textDecoder.decode(this.decodeBytes(tokenIds));
    return this.definition.endOfWord === undefined ? text : text.trim();
  }

  /** The exact bytes of token ids. */
  decodeBytes(tokenIds: Iterable<number>): Uint8Array {
    return this.#tokens.concatenate(tokenIds);
  }

  /** A decoder for ids that arrive one by one. */
  decodeStream(): DecodeStream {
    return new DecodeStream((id) => this.#tokens.of(id));
  }

  /**
   * The bytes of one token.
   *
   * @throws {UnknownTokenIdError}
   */
  tokenBytes(id: number): Uint8Array {
    return this.#tokens.of(id);
  }

  /**
   * Hugging Face's `tokenizer.json`, which gives the same ids there (with `encode`'s `allowedSpecial: 'all'`, which
   * is how Hugging Face treats special tokens).
   */
  toTokenizerJSON(): TokenizerJSON {
    return toTokenizerJSON(this.definition);
  }

  /** Empties the cache. It is bounded anyway; see `cacheSize`. */
  clearCache(): void {
    this.#encoder.clearCache();
  }

  #collect(text: string, options: EncodeOptions): Ids {
    const sink = new Ids();
    this.#texts.encode(text, options, sink);
    return sink;
  }

  #refuseRewriting(method: string): void {
    const { normalizer, endOfWord, addPrefixSpace } = this.definition;
    if (normalizer !== undefined || endOfWord !== undefined || addPrefixSpace === true) {
      throw new InvalidOptionError(
        `${method}: this encoding rewrites the text before it is split; there is nothing to refer to`,
      );
    }
  }
}
