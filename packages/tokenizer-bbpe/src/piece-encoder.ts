import { MergeTable, NO_MERGE } from '@gpt-lineage/tokenizer-bpe';
import { CharacterEncoder } from './character-encoder.js';
import { LONGEST_CACHED, PieceCache } from './piece-cache.js';
import type { Scanner } from './scanners/scanner.js';
import { hashOf, LOW_BYTES, shortHash, type TokenTable } from './token-table.js';
import type { Vocabulary } from './vocabulary.js';

const ID_BITS = 20;
const ID_MASK = (1 << ID_BITS) - 1;

/** Pieces of Chinese, Japanese or Korean that go through the merge loop before characters are looked up. */
const WIDE_FROM = 64;

export interface PieceEncoderParts {
  vocabulary: Vocabulary;
  /** Made from the vocabulary when first needed, unless given. */
  merges?: MergeTable | undefined;
  /** Tokens that are found without merging; absent where merges alone decide. */
  tokens?: TokenTable | undefined;
  /** Pieces to remember, 0 for none. */
  cacheSize: number;
}

/** From the bytes of a text to token ids: cut into pieces, look each one up, merge those that are no token. */
export class PieceEncoder {
  /** Token ids of the last call. */
  out = new Int32Array(1024);
  readonly #byteIds: Int32Array;
  readonly #byteEndIds: Int32Array | undefined;
  #bytePairRanks: Int32Array | undefined;
  #merges: MergeTable | undefined;
  readonly #tokens: TokenTable | undefined;
  readonly #cache: PieceCache | undefined;
  readonly #vocabulary: Vocabulary;
  /** Made when the first piece comes that it is for; `null` when the vocabulary does not allow it. */
  #characters: CharacterEncoder | null | undefined;
  #wideMet = 0;

  constructor({ vocabulary, merges, tokens, cacheSize }: PieceEncoderParts) {
    const { byteIds, byteEndIds } = vocabulary;
    this.#byteIds = byteIds;
    this.#byteEndIds = byteEndIds;
    this.#merges = merges;
    this.#tokens = tokens;
    this.#cache = cacheSize > 0 ? new PieceCache(cacheSize) : undefined;
    this.#vocabulary = vocabulary;
  }

  get cachedPieces(): number {
    return this.#cache?.size ?? 0;
  }

  get merges(): MergeTable {
    const { lefts, rights, results } = this.#vocabulary;
    this.#merges ??= new MergeTable(lefts, rights, results);
    return this.#merges;
  }

  clearCache(): void {
    this.#cache?.clear();
  }

  /** Makes room for the ids of `byteCount` bytes. */
  reserve(byteCount: number): void {
    if (this.out.length >= byteCount) return;
    let size = this.out.length;
    while (size < byteCount) size *= 2;
    this.out = new Int32Array(size);
  }

  /**
   * Encodes `bytes[0 … length)`, valid UTF-8 followed by 0xFF and `SLACK` bytes more.
   *
   * @returns how many ids are in `out`
   */
  encode(bytes: Uint8Array, view: DataView, length: number, scan: Scanner): number {
    this.reserve(length);
    const tokens = this.#tokens;
    let count = 0;
    if (tokens === undefined) {
      for (let at = 0; at < length; ) {
        const end = scan(bytes, at);
        if (end > 0) count = this.#encodeUnknown(bytes, view, at, end, count);
        at = Math.abs(end);
      }
      return count;
    }
    // The table of short tokens, looked up in place: most pieces of most texts end here.
    const { short, shortShift } = tokens;
    const shortMask = short.length - 1;
    const out = this.out;
    for (let at = 0; at < length; ) {
      const end = scan(bytes, at);
      const size = end - at;
      if (size > 8) {
        count = this.encodePiece(bytes, view, at, end, count);
        at = end;
        continue;
      }
      let first = view.getInt32(at, true);
      let second = 0;
      if (size > 4) second = view.getInt32(at + 4, true) & LOW_BYTES[size - 4]!;
      else first &= LOW_BYTES[size]!;
      let slot = (shortHash(first, second) >>> shortShift) << 2;
      for (;;) {
        const word = short[slot + 2]!;
        if (short[slot] === first && short[slot + 1] === second && word >>> ID_BITS === size) {
          out[count++] = word & ID_MASK;
          break;
        }
        if (word === 0) {
          count = this.#encodeUnknown(bytes, view, at, end, count);
          break;
        }
        slot = (slot + 4) & shortMask;
      }
      at = end;
    }
    return count;
  }

  /** Encodes one piece, `bytes[from … to)`, to `out[count …]`. @returns the new count */
  encodePiece(bytes: Uint8Array, view: DataView, from: number, to: number, count: number): number {
    if (isWide(bytes, from, to)) {
      const characters = this.#characterEncoder();
      if (characters !== null) return characters.encode(bytes, view, from, to, count);
    }
    const id = this.find(view, from, to);
    if (id < 0) return this.#encodeUnknown(bytes, view, from, to, count);
    this.out[count] = id;
    return count + 1;
  }

  /** The id of a piece that is a token, -1 when it is none or tokens are not looked up. */
  find(view: DataView, from: number, to: number): number {
    return this.#tokens === undefined ? -1 : this.#tokens.find(view, from, to);
  }

  /** A piece that is not a token. */
  #encodeUnknown(bytes: Uint8Array, view: DataView, from: number, to: number, count: number): number {
    if (isWide(bytes, from, to)) {
      const characters = this.#characterEncoder();
      if (characters !== null) return characters.encode(bytes, view, from, to, count);
    }
    const cache = this.#cache;
    if (cache === undefined || to - from > LONGEST_CACHED) return this.merge(bytes, from, to, count);
    const hash = hashOf(view, from, to);
    const known = cache.read(view, from, to, hash, this.out, count);
    if (known > 0) return count + known;
    const after = this.merge(bytes, from, to, count);
    cache.write(bytes, from, to, hash, this.out, count, after - count);
    return after;
  }

  #characterEncoder(): CharacterEncoder | null {
    if (this.#characters === undefined) {
      // Not worth its preparation for a few words.
      if (++this.#wideMet < WIDE_FROM) return null;
      const fits = this.#tokens !== undefined && this.#byteEndIds === undefined;
      this.#characters = (fits && CharacterEncoder.forVocabulary(this.#vocabulary, this)) || null;
    }
    return this.#characters;
  }

  /** Any bytes as one piece, valid UTF-8 or not: a token, or what merging makes of them. */
  encodeSegment(bytes: Uint8Array, view: DataView, from: number, to: number, count: number): number {
    const id = this.find(view, from, to);
    if (id < 0) return this.merge(bytes, from, to, count);
    this.out[count] = id;
    return count + 1;
  }

  /** Byte-pair merging of `bytes[from … to)`, no shortcuts. @returns the new count */
  merge(bytes: Uint8Array, from: number, to: number, count: number): number {
    const { merges } = this;
    const length = to - from;
    merges.reserve(length);
    const { ids, ranks } = merges;
    const byteIds = this.#byteIds;
    this.#bytePairRanks ??= bytePairRanks(this.#vocabulary);
    const pairRanks = this.#bytePairRanks;
    let previous = bytes[from]!;
    ids[0] = byteIds[previous]!;
    for (let i = 1; i < length; i++) {
      const byte = bytes[from + i]!;
      ids[i] = byteIds[byte]!;
      ranks[i - 1] = pairRanks[(previous << 8) | byte]!;
      previous = byte;
    }
    if (this.#byteEndIds !== undefined) {
      ids[length - 1] = this.#byteEndIds[previous]!;
      if (length > 1) ranks[length - 2] = merges.rankOf(ids[length - 2]!, ids[length - 1]!);
    }
    const kept = merges.merge(length);
    const out = this.out;
    for (let i = 0; i < kept; i++) out[count + i] = ids[i]!;
    merges.release();
    return count + kept;
  }
}

/** Whether a piece has several characters of which the first or second is of Chinese, Japanese, Korean, or beyond. */
function isWide(bytes: Uint8Array, from: number, to: number): boolean {
  return (bytes[from]! >= 0xe3 && to - from >= 6) || (bytes[from + 1]! >= 0xe3 && to - from >= 4);
}

/** `ranks[first << 8 | second]`: rank of the merge of two single bytes. */
function bytePairRanks({ byteIds, lefts, rights, results, offsets }: Vocabulary): Int32Array {
  const byteOf = new Int16Array(offsets.length).fill(-1);
  for (let byte = 0; byte < 256; byte++) byteOf[byteIds[byte]!] = byte;
  const ranks = new Int32Array(1 << 16).fill(NO_MERGE);
  for (let rank = 0; rank < results.length; rank++) {
    if (results[rank]! < 0) continue;
    const left = byteOf[lefts[rank]!]!;
    const right = byteOf[rights[rank]!]!;
    if (left >= 0 && right >= 0) ranks[(left << 8) | right] = rank;
  }
  return ranks;
}
