import { type MergeTable, NO_MERGE } from '@gpt-lineage/tokenizer-bpe';
import type { PieceEncoder } from './piece-encoder.js';
import { widthOf } from './scanners/character-classes.js';
import { ranksOfTokens, type Vocabulary } from './vocabulary.js';

const PAIR_BITS = 21;

/** Characters that are joined at most, in bytes, before the whole piece goes to the merge loop. */
const LONGEST_SEGMENT = 64;

/**
 * Encodes pieces of Chinese, Japanese and Korean character by character instead of byte by byte.
 *
 * It rests on one property of byte-pair encoding: a sequence of tokens is the encoding of its bytes exactly when
 * every two neighbours would stay as they are if they stood alone. So the tokens of each character are looked up, and
 * where the last one of a character and the first one of the next do not stay apart, the two are joined and
 * encoded together, as often as needed.
 */
export class CharacterEncoder {
  readonly #merges: MergeTable;
  readonly #encoder: PieceEncoder;
  readonly #vocabulary: Vocabulary;
  /** Rank that made a token, -1 for single bytes. */
  readonly #rankOf: Int32Array;
  /** Per character of three bytes: 0 not known yet, id + 1, or -(place in `#several`). */
  readonly #ofCharacter = new Int32Array(1 << 16);
  /** Count, then that many ids. */
  #several = new Int32Array(1024);
  #severalEnd = 1;
  /**
   * A bit for the hash of every pair that merges. Nearly all neighbours do not merge, and this says so without a look
   * into the large merge table, which does not fit the processor's cache.
   */
  readonly #pairs = new Int32Array(1 << (PAIR_BITS - 5));
  readonly #starts = new Int32Array(LONGEST_SEGMENT * 4);
  readonly #counts = new Int32Array(LONGEST_SEGMENT * 4);

  private constructor(vocabulary: Vocabulary, merges: MergeTable, encoder: PieceEncoder, rankOf: Int32Array) {
    this.#merges = merges;
    this.#encoder = encoder;
    this.#vocabulary = vocabulary;
    this.#rankOf = rankOf;
    const { lefts, rights, results } = vocabulary;
    for (let rank = 0; rank < results.length; rank++) {
      if (results[rank]! < 0) continue;
      const bit = pairBit(lefts[rank]!, rights[rank]!);
      this.#pairs[bit >>> 5]! |= 1 << (bit & 31);
    }
  }

  /**
   * The property above is used through the way each token was made, so every token must be made by exactly one
   * merge, of two tokens that were made before. `undefined` for vocabularies that are not like that.
   */
  static forVocabulary(
    vocabulary: Vocabulary,
    merges: MergeTable,
    encoder: PieceEncoder,
  ): CharacterEncoder | undefined {
    const rankOf = ranksOfTokens(vocabulary);
    const { offsets } = vocabulary;
    if (rankOf?.some((rank, id) => rank === -2 && offsets[id + 1]! > offsets[id]!) !== false)
      return undefined;
    return new CharacterEncoder(vocabulary, merges, encoder, rankOf);
  }

  /** Encodes one piece to `encoder.out[count …]`. @returns the new count, -1 when the merge loop should do it */
  encode(bytes: Uint8Array, view: DataView, from: number, to: number, count: number): number {
    const { out } = this.#encoder;
    const starts = this.#starts; // where each segment begins, in bytes
    const counts = this.#counts; // and in tokens
    const most = starts.length - 1;
    const merges = this.#merges;
    const { results } = merges;
    const pairs = this.#pairs;
    let segments = 0;
    let at = from;
    while (at < to) {
      let begin = at;
      let first = count;
      at += widthOf(bytes[at]!);
      count = this.#encodeCharacter(bytes, begin, at, count);
      while (segments > 0) {
        const left = out[first - 1]!;
        const right = out[first]!;
        const bit = pairBit(left, right);
        const rank = ((pairs[bit >>> 5]! >>> (bit & 31)) & 1) === 0 ? NO_MERGE : merges.rankOf(left, right);
        if (rank === NO_MERGE && this.#staysApart(left, right)) break;
        segments--;
        begin = starts[segments]!;
        if (rank !== NO_MERGE && count === first + 1 && counts[segments] === first - 1) {
          // Two tokens that are the two halves of a third.
          first--;
          out[first] = results[rank]!;
          count = first + 1;
          continue;
        }
        first = counts[segments]!;
        if (at - begin > LONGEST_SEGMENT) return -1;
        count = this.#encoder.encodeSegment(bytes, view, begin, at, first);
      }
      if (segments === most) {
        // Nothing before the last segment is needed unless it is joined, and a join that far back is for the loop.
        return -1;
      }
      starts[segments] = begin;
      counts[segments++] = first;
    }
    return count;
  }

  #encodeCharacter(bytes: Uint8Array, from: number, to: number, count: number): number {
    const encoder = this.#encoder;
    if (to - from !== 3) return encoder.merge(bytes, from, to, count);
    const { out } = encoder;
    const codePoint = ((bytes[from]! & 15) << 12) | ((bytes[from + 1]! & 63) << 6) | (bytes[from + 2]! & 63);
    const known = this.#ofCharacter[codePoint]!;
    if (known > 0) {
      out[count] = known - 1;
      return count + 1;
    }
    if (known === 0) return this.#learnCharacter(codePoint, bytes, from, to, count);
    const several = this.#several;
    const end = count + several[-known]!;
    for (let i = 1 - known; count < end; i++) out[count++] = several[i]!;
    return count;
  }

  #learnCharacter(codePoint: number, bytes: Uint8Array, from: number, to: number, count: number): number {
    const after = this.#encoder.merge(bytes, from, to, count);
    const { out } = this.#encoder;
    if (after - count === 1) {
      this.#ofCharacter[codePoint] = out[count]! + 1;
      return after;
    }
    if (this.#severalEnd + 4 > this.#several.length) {
      const larger = new Int32Array(this.#several.length * 2);
      larger.set(this.#several);
      this.#several = larger;
    }
    this.#ofCharacter[codePoint] = -this.#severalEnd;
    this.#several[this.#severalEnd++] = after - count;
    for (let i = count; i < after; i++) this.#several[this.#severalEnd++] = out[i]!;
    return after;
  }

  /** Whether two neighbouring tokens that do not merge stay as they are; see `stayApart`, which this is, but filtered. */
  #staysApart(left: number, right: number): boolean {
    const pairs = this.#pairs;
    const merges = this.#merges;
    const rankOf = this.#rankOf;
    const { lefts, rights } = this.#vocabulary;
    for (;;) {
      let limit: number;
      const leftRank = rankOf[left]!;
      const rightRank = rankOf[right]!;
      if (leftRank > rightRank) {
        limit = leftRank;
        left = rights[leftRank]!;
      } else if (rightRank >= 0) {
        limit = rightRank + 1;
        right = lefts[rightRank]!;
      } else return true;
      const bit = pairBit(left, right);
      if (((pairs[bit >>> 5]! >>> (bit & 31)) & 1) !== 0 && merges.rankOf(left, right) < limit) return false;
    }
  }
}

function pairBit(left: number, right: number): number {
  return (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77)) >>> (32 - PAIR_BITS);
}
