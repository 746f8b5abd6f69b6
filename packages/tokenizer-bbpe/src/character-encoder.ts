import type { MergeTable } from '@gpt-lineage/tokenizer-bpe';
import { CharacterBorders, MAY_MERGE_PARTS } from './character-borders.js';
import type { PieceEncoder } from './piece-encoder.js';
import { wideCodePoint, widthOf } from './scanners/character-classes.js';
import { ranksOfTokens, type Vocabulary } from './vocabulary.js';

/**
 * Encodes pieces of Chinese, Japanese and Korean character by character instead of byte by byte.
 *
 * Where no merge of the vocabulary can reach over the border between two characters (`CharacterBorders` knows), what lies
 * before and after it is encoded as if it stood alone, and most borders are like that. So the ids of each character
 * are looked up, and only characters whose border may be crossed are merged: from their ids on where every merge over
 * the border takes whole characters, because the merges inside a character then come first in any case; from their
 * bytes on where a merge takes a part of one.
 */
export class CharacterEncoder {
  readonly #merges: MergeTable;
  readonly #encoder: PieceEncoder;
  readonly #borders: CharacterBorders;
  /** Per code point below 2^16: 0 not known yet, id + 1, or -(place in `#several`). */
  readonly #ofCharacter = new Int32Array(1 << 16);
  /** Count, then that many ids. */
  #several = new Int32Array(1024);
  #severalEnd = 1;

  private constructor(vocabulary: Vocabulary, encoder: PieceEncoder) {
    this.#merges = encoder.merges;
    this.#encoder = encoder;
    this.#borders = new CharacterBorders(vocabulary);
  }

  /**
   * Merges inside a character come first when every token is made by exactly one merge, of two tokens that were made
   * before. `undefined` for vocabularies that are not like that.
   */
  static forVocabulary(vocabulary: Vocabulary, encoder: PieceEncoder): CharacterEncoder | undefined {
    const rankOf = ranksOfTokens(vocabulary);
    const { offsets } = vocabulary;
    if (rankOf?.some((rank, id) => rank === -2 && offsets[id + 1]! > offsets[id]!) !== false)
      return undefined;
    return new CharacterEncoder(vocabulary, encoder);
  }

  /** Encodes one piece of valid UTF-8, of several characters, to `encoder.out[count …]`. @returns the new count */
  encode(bytes: Uint8Array, view: DataView, from: number, to: number, count: number): number {
    const { out } = this.#encoder;
    const borders = this.#borders;
    const ofCharacter = this.#ofCharacter;
    let before = 0; // the code point before, 0 for none: nothing merges with it
    let joined = 0; // what may merge in the segment under way
    let first = count; // where that begins, in ids
    let begin = from; // and in bytes
    for (let at = from; at < to; ) {
      const lead = bytes[at]!;
      const codePoint = lead < 0x80 ? lead : wideCodePoint(bytes, at);
      const end = at + widthOf(lead);
      if (at > from) {
        const border = borders.at(before, bytes[at - 1]!, codePoint, lead);
        if (border !== 0) joined |= border;
        else {
          if (joined !== 0) count = this.#mergeSegment(bytes, begin, at, first, count, joined);
          joined = 0;
          first = count;
          begin = at;
        }
      }
      const known = codePoint < 0x10000 ? ofCharacter[codePoint]! : 0;
      if (known > 0) out[count++] = known - 1;
      else count = this.#encodeCharacter(codePoint, known, bytes, at, end, count);
      before = codePoint;
      at = end;
    }
    if (joined === 0) return count;
    if (begin === from) {
      // Every token was merged over all its borders, so only here can the piece be a token.
      const id = this.#encoder.find(view, from, to);
      if (id >= 0) {
        out[first] = id;
        return first + 1;
      }
    }
    return this.#mergeSegment(bytes, begin, to, first, count, joined);
  }

  /** Merges the characters whose ids are `out[first … count)`, the bytes `from … to`. @returns the new count */
  #mergeSegment(
    bytes: Uint8Array,
    from: number,
    to: number,
    first: number,
    count: number,
    joined: number,
  ): number {
    if ((joined & MAY_MERGE_PARTS) !== 0) return this.#encoder.merge(bytes, from, to, first);
    const merges = this.#merges;
    const { out } = this.#encoder;
    const size = count - first;
    merges.reserve(size);
    const { ids } = merges;
    for (let i = 0; i < size; i++) ids[i] = out[first + i]!;
    merges.rankAll(size);
    const kept = merges.merge(size);
    for (let i = 0; i < kept; i++) out[first + i] = ids[i]!;
    return first + kept;
  }

  /** A character that is not one token or was not met before. */
  #encodeCharacter(
    codePoint: number,
    known: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    count: number,
  ): number {
    if (known === 0) {
      const after = this.#encoder.merge(bytes, from, to, count);
      if (codePoint < 0x10000) this.#remember(codePoint, count, after);
      return after;
    }
    const { out } = this.#encoder;
    const several = this.#several;
    const end = count + several[-known]!;
    for (let i = 1 - known; count < end; i++) out[count++] = several[i]!;
    return count;
  }

  #remember(codePoint: number, from: number, to: number): void {
    const { out } = this.#encoder;
    if (to - from === 1) {
      this.#ofCharacter[codePoint] = out[from]! + 1;
      return;
    }
    if (this.#severalEnd + 4 > this.#several.length) {
      const larger = new Int32Array(this.#several.length * 2);
      larger.set(this.#several);
      this.#several = larger;
    }
    this.#ofCharacter[codePoint] = -this.#severalEnd;
    this.#several[this.#severalEnd++] = to - from;
    for (let i = from; i < to; i++) this.#several[this.#severalEnd++] = out[i]!;
  }
}
