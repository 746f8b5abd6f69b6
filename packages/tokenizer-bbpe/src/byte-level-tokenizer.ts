import { InvalidOptionError, MergeTable, sha256, UnknownTokenIdError } from '@gpt-lineage/tokenizer-bpe';
import { DecodeStream } from './decode-stream.js';
import type { Normalizer } from './normalization.js';
import { knownPattern, scannerOf, toRegExp } from './patterns.js';
import { PieceEncoder } from './piece-encoder.js';
import { type RankSource, vocabularyFromRanks } from './rank-file.js';
import type { Scanner } from './scanners/scanner.js';
import { type SpecialTokenChoice, SpecialTokens } from './special-tokens.js';
import { TokenTable } from './token-table.js';
import { parseTokenizerJSON, type TokenizerJSON, toTokenizerJSON } from './tokenizer-json.js';
import { type TrainOptions, trainVocabulary } from './train.js';
import { Utf8Buffer, validUtf8Length } from './utf8.js';
import { mergesReachEveryToken, tokenBytes, type Vocabulary } from './vocabulary.js';
import { WINDOW, windowEnd } from './windows.js';

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

export interface FromTiktokenOptions {
  /** The split pattern, as tiktoken writes it. */
  pattern: string | RegExp;
  /** Special tokens and their ids. Default: none. */
  specialTokens?: Readonly<Record<string, number>> | ReadonlyMap<string, number>;
  /** Pieces that are not tokens and whose ids are remembered. Default: 16,384. */
  cacheSize?: number;
}

/** Where a token lies in the text. */
export interface TokenOffset {
  id: number;
  /** First UTF-16 unit; for a token that begins inside a character, that character's. */
  start: number;
  /** After the last UTF-16 unit; for a token that ends inside a character, after that character. */
  end: number;
  /** First byte, and after the last byte, of the text as UTF-8. */
  byteStart: number;
  byteEnd: number;
}

export const DEFAULT_CACHE_SIZE = 1 << 14;

const textDecoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Byte-level byte-pair encoding: GPT-2 (Radford et al. 2019, section 2.2) and its successors, and CLIP.
 *
 * Instances hold work space and a bounded cache, but no state that changes results.
 */
export class ByteLevelBPETokenizer {
  readonly definition: TokenizerDefinition;
  readonly #merges: MergeTable;
  readonly #encoder: PieceEncoder;
  readonly #scan: Scanner | undefined;
  readonly #regExp: RegExp | undefined;
  readonly #special: SpecialTokens;
  readonly #specialBytes = new Map<number, Uint8Array>();
  readonly #buffer = new Utf8Buffer();
  #fingerprint: string | undefined;

  constructor(definition: TokenizerDefinition, cacheSize: number = DEFAULT_CACHE_SIZE) {
    if (!Number.isInteger(cacheSize) || cacheSize < 0) {
      throw new InvalidOptionError(
        `cacheSize: expected a whole number from 0, received ${String(cacheSize)}`,
      );
    }
    const { vocabulary } = definition;
    const merges = new MergeTable(vocabulary.lefts, vocabulary.rights, vocabulary.results);
    const lookUp =
      definition.wholePieces ||
      (definition.endOfWord === undefined && mergesReachEveryToken(vocabulary, merges));
    const tokens = lookUp ? new TokenTable(vocabulary.bytes, vocabulary.offsets) : undefined;
    this.definition = definition;
    this.#merges = merges;
    this.#encoder = new PieceEncoder({ vocabulary, merges, tokens, cacheSize });
    const known = knownPattern(definition.pattern);
    this.#scan = definition.scanner ?? (known === undefined ? undefined : scannerOf(known));
    this.#regExp = this.#scan === undefined ? toRegExp(definition.pattern) : undefined;
    this.#special = new SpecialTokens(definition.specialTokens, definition.alwaysSpecial);
    for (const [token, id] of definition.specialTokens) {
      this.#specialBytes.set(id, new TextEncoder().encode(token));
    }
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
    return new ByteLevelBPETokenizer(parseTokenizerJSON(json));
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
    return Math.max(
      this.definition.vocabulary.offsets.length - 1,
      ...[...this.#special.ids.values()].map((id) => id + 1),
    );
  }

  get specialTokens(): ReadonlyMap<string, number> {
    return this.#special.ids;
  }

  get pattern(): string {
    return this.definition.pattern;
  }

  /** SHA-256 over everything that decides ids: tokens, merges, pattern, special tokens, normalisation. */
  get fingerprint(): string {
    this.#fingerprint ??= fingerprintOf(this.definition, this.#merges);
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
    this.#ordinary(text, sink);
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
   * Token ids of any bytes; `decodeBytes` gives exactly these bytes back. Valid UTF-8 is encoded like text. From the
   * piece in which the first invalid byte lies, the rest is merged as one piece, as tiktoken does.
   */
  encodeBytes(bytes: Uint8Array): number[] {
    this.#refuseRewriting('encodeBytes');
    const valid = validUtf8Length(bytes);
    const sink = new Ids();
    this.#ordinary(textDecoder.decode(bytes.subarray(0, valid)), sink);
    if (valid === bytes.length) return sink.toArray();
    const ids = sink.toArray();
    let stable = this.#startOfLastPiece(bytes.subarray(0, valid));
    let kept = ids.length;
    for (let end = valid; end > stable; kept--) end -= this.tokenBytes(ids[kept - 1]!).length;
    const isBlank = (id: number) =>
      this.tokenBytes(id).every((byte) => byte === 32 || byte === 10 || byte === 9);
    if (kept < ids.length && isBlank(ids[kept]!)) {
      while (kept > 0 && isBlank(ids[kept - 1]!)) stable -= this.tokenBytes(ids[--kept]!).length;
    }
    const buffer = this.#buffer;
    buffer.writeBytes(bytes.subarray(stable));
    this.#encoder.reserve(buffer.length);
    const count = this.#encoder.encodeSegment(buffer.bytes, buffer.view, 0, buffer.length, 0);
    ids.length = kept;
    for (let i = 0; i < count; i++) ids.push(this.#encoder.out[i]!);
    return ids;
  }

  /** How many tokens `encode` would give. */
  count(text: string, options: EncodeOptions = {}): number {
    const counter = new Count();
    this.#encodeTo(text, options, counter);
    return counter.count;
  }

  /** Whether a text has at most `limit` tokens; stops reading soon after the limit is passed. */
  isWithinLimit(text: string, limit: number, options: EncodeOptions = {}): boolean {
    if (Number.isNaN(limit)) throw new InvalidOptionError('limit: expected a number, received NaN');
    const counter = new Count(limit);
    this.#encodeTo(text, options, counter);
    return counter.count <= limit;
  }

  /**
   * Tokens and where they lie in the text.
   *
   * @throws {InvalidOptionError} for encodings that rewrite the text first (CLIP), where offsets have no meaning
   */
  encodeWithOffsets(text: string, options: EncodeOptions = {}): TokenOffset[] {
    this.#refuseRewriting('encodeWithOffsets');
    const ids = this.encode(text, options);
    const offsets: TokenOffset[] = new Array(ids.length);
    let unit = 0; // UTF-16 unit at which the character under way begins
    let characterStart = 0;
    let characterEnd = 0; // bytes
    let nextUnit = 0;
    let byte = 0;
    const advanceTo = (target: number) => {
      while (characterEnd <= target && nextUnit < text.length) {
        unit = nextUnit;
        characterStart = characterEnd;
        const code = text.codePointAt(nextUnit)!;
        nextUnit += code > 0xffff ? 2 : 1;
        characterEnd += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      }
    };
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const byteEnd = byte + this.#lengthOf(id);
      advanceTo(byte);
      const start = characterEnd <= byte ? nextUnit : unit;
      advanceTo(byteEnd - 1);
      offsets[i] = { id, start, end: nextUnit, byteStart: byte, byteEnd };
      byte = byteEnd;
    }
    void characterStart;
    return offsets;
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
    const { bytes, offsets } = this.definition.vocabulary;
    const size = offsets.length - 1;
    let out = new Uint8Array(256);
    let at = 0;
    for (const id of tokenIds) {
      const from = offsets[id];
      const length = from === undefined || id >= size ? 0 : offsets[id + 1]! - from;
      const token = length > 0 ? undefined : this.#specialOrThrow(id);
      const end = at + (token?.length ?? length);
      if (end > out.length) {
        const larger = new Uint8Array(Math.max(end, out.length * 2));
        larger.set(out);
        out = larger;
      }
      if (token !== undefined) out.set(token, at);
      else for (let i = 0; i < length; i++) out[at + i] = bytes[from! + i]!;
      at = end;
    }
    return out.slice(0, at);
  }

  /** A decoder for ids that arrive one by one. */
  decodeStream(): DecodeStream {
    return new DecodeStream((id) => this.tokenBytes(id));
  }

  /**
   * The bytes of one token.
   *
   * @throws {UnknownTokenIdError}
   */
  tokenBytes(id: number): Uint8Array {
    const { vocabulary } = this.definition;
    const token = id >= 0 && id < vocabulary.offsets.length - 1 ? tokenBytes(vocabulary, id) : undefined;
    return token !== undefined && token.length > 0 ? token : this.#specialOrThrow(id);
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
    this.#encodeTo(text, options, sink);
    return sink;
  }

  #encodeTo(text: string, options: EncodeOptions, sink: Sink): void {
    if (typeof text !== 'string') {
      throw new InvalidOptionError(
        `text: expected a string, received ${text === null ? 'null' : typeof text}`,
      );
    }
    this.#special.refuse(text, options.disallowedSpecial, options.allowedSpecial);
    const finder = this.#special.finder(options.allowedSpecial);
    if (finder === undefined) {
      this.#ordinary(text, sink);
      return;
    }
    const searched = this.definition.normalizer?.name.startsWith('clip') ? this.#normalized(text) : text;
    const normalized = searched !== text;
    let at = 0;
    finder.lastIndex = 0;
    for (let match = finder.exec(searched); match !== null && !sink.full; match = finder.exec(searched)) {
      if (match.index > at) this.#ordinary(searched.slice(at, match.index), sink, normalized);
      sink.add(this.#special.ids.get(match[0])!);
      at = match.index + match[0].length;
    }
    if (at < searched.length && !sink.full)
      this.#ordinary(at === 0 ? searched : searched.slice(at), sink, normalized);
  }

  #normalized(text: string): string {
    return this.definition.normalizer?.normalize(text) ?? text;
  }

  #ordinary(text: string, sink: Sink, normalized = false): void {
    if (!normalized) text = this.#normalized(text);
    if (this.definition.addPrefixSpace === true && text !== '' && !/^\s/u.test(text)) text = ` ${text}`;
    if (this.#scan === undefined) {
      this.#ordinaryByRegExp(text, sink);
      return;
    }
    const buffer = this.#buffer;
    const encoder = this.#encoder;
    let size = sink.firstWindow;
    for (let at = 0; at < text.length && !sink.full; ) {
      const end = windowEnd(text, at, size);
      buffer.write(at === 0 && end === text.length ? text : text.slice(at, end));
      const count = encoder.encode(buffer.bytes, buffer.view, buffer.length, this.#scan);
      sink.append(encoder.out, count);
      at = end;
      size = Math.min(WINDOW, size * 2);
    }
    buffer.release();
  }

  #ordinaryByRegExp(text: string, sink: Sink): void {
    const regExp = this.#regExp!;
    const drops = this.definition.endOfWord !== undefined;
    let at = 0;
    for (const match of text.matchAll(regExp)) {
      if (sink.full) return;
      if (match[0] === '') continue;
      if (match.index > at && !drops) this.#piece(text.slice(at, match.index), sink);
      this.#piece(match[0], sink);
      at = match.index + match[0].length;
    }
    if (at < text.length && !drops) this.#piece(text.slice(at), sink);
  }

  #piece(piece: string, sink: Sink): void {
    const buffer = this.#buffer;
    const encoder = this.#encoder;
    buffer.write(piece);
    encoder.reserve(buffer.length);
    const count = encoder.encodePiece(buffer.bytes, buffer.view, 0, buffer.length, 0);
    sink.append(encoder.out, count);
  }

  /** Byte at which the last piece of valid UTF-8 begins. */
  #startOfLastPiece(bytes: Uint8Array): number {
    let last = 0;
    if (this.#scan !== undefined) {
      this.#buffer.writeBytes(bytes);
      for (let at = 0; at < bytes.length; at = this.#scan(this.#buffer.bytes, at)) last = at;
      return last;
    }
    for (const match of textDecoder.decode(bytes).matchAll(this.#regExp!)) last = match.index;
    return new TextEncoder().encode(textDecoder.decode(bytes).slice(0, last)).length;
  }

  #lengthOf(id: number): number {
    const { offsets } = this.definition.vocabulary;
    const length = id < offsets.length - 1 ? offsets[id + 1]! - offsets[id]! : 0;
    return length > 0 ? length : this.#specialOrThrow(id).length;
  }

  #specialOrThrow(id: number): Uint8Array {
    const bytes = this.#specialBytes.get(id);
    if (bytes === undefined) throw new UnknownTokenIdError(id, this.vocabSize);
    return bytes;
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

/** Takes token ids as they are made. */
interface Sink {
  readonly full: boolean;
  readonly firstWindow: number;
  add(id: number): void;
  append(ids: Int32Array, count: number): void;
}

/** Keeps ids: those of a single window where they are, of several windows as copies. */
class Ids implements Sink {
  readonly full = false;
  readonly firstWindow = WINDOW;
  readonly #chunks: Int32Array[] = [];
  #length = 0;

  add(id: number): void {
    this.#chunks.push(Int32Array.of(id));
    this.#length++;
  }

  append(ids: Int32Array, count: number): void {
    this.#chunks.push(ids.slice(0, count));
    this.#length += count;
  }

  toArray(): number[] {
    const all: number[] = new Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      const { length } = chunk;
      for (let i = 0; i < length; i++) all[at + i] = chunk[i]!;
      at += length;
    }
    return all;
  }

  toUint32(): Uint32Array {
    const all = new Uint32Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
}

class Count implements Sink {
  count = 0;
  readonly firstWindow: number;
  readonly #limit: number;

  constructor(limit: number = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
    this.firstWindow = limit === Number.POSITIVE_INFINITY ? WINDOW : 1 << 10;
  }

  get full(): boolean {
    return this.count > this.#limit;
  }

  add(): void {
    this.count++;
  }

  append(_ids: Int32Array, count: number): void {
    this.count += count;
  }
}

/** @throws {InvalidVocabularyError} an id that is no whole number, or that another token has */
function specialTokenMap(
  tokens: Readonly<Record<string, number>> | ReadonlyMap<string, number>,
  vocabulary: Vocabulary,
): Map<string, number> {
  const map = new Map(tokens instanceof Map ? tokens : Object.entries(tokens));
  const seen = new Map<number, string>();
  for (const [token, id] of map) {
    const { offsets } = vocabulary;
    const taken = seen.has(id) || (id < offsets.length - 1 && offsets[id + 1]! > offsets[id]!);
    if (!Number.isInteger(id) || id < 0 || taken || token === '') {
      const reason = taken ? 'which another token has' : 'expected a whole number from 0';
      throw new InvalidOptionError(
        `specialTokens: ${JSON.stringify(token)} has the id ${String(id)}, ${reason}`,
      );
    }
    seen.set(id, token);
  }
  return map;
}

function fingerprintOf(definition: TokenizerDefinition, merges: MergeTable): string {
  const { vocabulary, specialTokens, normalizer } = definition;
  const { bytes, offsets, lefts, rights, results } = vocabulary;
  const head = JSON.stringify([
    'byte-level-bpe',
    knownPattern(definition.pattern) ?? definition.pattern,
    [...specialTokens].sort((a, b) => a[1] - b[1]),
    [...(definition.alwaysSpecial ?? [])].sort(),
    normalizer?.name ?? null,
    definition.addPrefixSpace ?? false,
    definition.endOfWord ?? null,
    definition.wholePieces && !mergesReachEveryToken(vocabulary, merges),
  ]);
  const triples: number[] = [];
  results.forEach((id, rank) => {
    if (id >= 0) triples.push(lefts[rank]!, rights[rank]!, id);
  });
  const parts = [
    new TextEncoder().encode(head),
    new Uint8Array(Int32Array.from(offsets).buffer),
    bytes.subarray(0, offsets[offsets.length - 1]!),
    new Uint8Array(Int32Array.from(triples).buffer),
  ];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return sha256(all);
}
