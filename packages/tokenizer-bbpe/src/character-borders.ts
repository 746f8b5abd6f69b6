import { wideCodePoint, widthOf } from './scanners/character-classes.js';
import type { Vocabulary } from './vocabulary.js';

const PAIR_BITS = 20;

/** A merge may join tokens that end and begin with these characters. */
export const MAY_MERGE_CHARACTERS = 1;
/** A merge may join tokens of which at least one ends or begins inside the character. */
export const MAY_MERGE_PARTS = 2;
/** In `parts` only: the same for some of the characters with these bytes, which `pairs` knows. */
const SOME_MERGE_PARTS = 4;

/**
 * Which borders between characters the merges of a vocabulary can reach over. May say yes where none does, never no
 * where one does.
 */
export class CharacterBorders {
  /** A bit for the hash of two characters: some merge takes both whole. And so for a byte and a character. */
  readonly pairs = new Int32Array(1 << (PAIR_BITS - 5));
  /** What is known from the last byte before the border and the first byte after it: `last << 8 | lead`. */
  readonly parts = new Uint8Array(1 << 16);

  constructor({ bytes, offsets, lefts, rights, results }: Vocabulary) {
    const { parts } = this;
    // Between two characters of ASCII nearly everything merges: always yes, and no bits spent on it.
    for (let last = 0; last < 0x80; last++) parts.fill(MAY_MERGE_PARTS, last << 8, (last << 8) + 0x80);
    for (let rank = 0; rank < results.length; rank++) {
      if (results[rank]! < 0) continue;
      const start = offsets[rights[rank]!]!;
      const end = offsets[lefts[rank]! + 1]!;
      if ((bytes[end - 1]! < 0x80 && bytes[start]! < 0x80) || isContinuation(bytes[start]!)) continue;
      this.#enter(bytes, offsets[lefts[rank]!]!, end, start, offsets[rights[rank]! + 1]!);
    }
  }

  /** `MAY_MERGE_CHARACTERS` and `MAY_MERGE_PARTS` of a border, 0 when nothing reaches over it. */
  at(before: number, lastByte: number, after: number, firstByte: number): number {
    const bit = pairBit(before, after);
    const border = ((this.pairs[bit >>> 5]! >>> (bit & 31)) & 1) | this.parts[(lastByte << 8) | firstByte]!;
    if ((border & SOME_MERGE_PARTS) === 0) return border;
    const crosses = this.#has(pairBit(~lastByte, after)) || this.#has(pairBit(before, ~firstByte));
    return (border & MAY_MERGE_CHARACTERS) | (crosses ? MAY_MERGE_PARTS : border & MAY_MERGE_PARTS);
  }

  /** The merge of `bytes[leftStart … leftEnd)` and `bytes[start … end)`. */
  #enter(bytes: Uint8Array, leftStart: number, leftEnd: number, start: number, end: number): void {
    const lastByte = bytes[leftEnd - 1]!;
    const firstByte = bytes[start]!;
    let from = leftEnd - 1;
    while (from > leftStart && isContinuation(bytes[from]!)) from--;
    const wholeBefore = !isContinuation(bytes[from]!) && leftEnd - from === widthOf(bytes[from]!);
    const wholeAfter = end - start >= widthOf(firstByte);
    if (wholeBefore && wholeAfter) this.#add(pairBit(codePointAt(bytes, from), codePointAt(bytes, start)));
    else if (wholeAfter) this.#add(pairBit(~lastByte, codePointAt(bytes, start)));
    else if (wholeBefore) this.#add(pairBit(codePointAt(bytes, from), ~firstByte));
    if (wholeBefore && wholeAfter) return;
    this.parts[(lastByte << 8) | firstByte]! |=
      wholeBefore || wholeAfter ? SOME_MERGE_PARTS : MAY_MERGE_PARTS;
  }

  #add(bit: number): void {
    this.pairs[bit >>> 5]! |= 1 << (bit & 31);
  }

  #has(bit: number): boolean {
    return ((this.pairs[bit >>> 5]! >>> (bit & 31)) & 1) !== 0;
  }
}

function pairBit(left: number, right: number): number {
  return (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77)) >>> (32 - PAIR_BITS);
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

function codePointAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! < 0x80 ? bytes[at]! : wideCodePoint(bytes, at);
}
