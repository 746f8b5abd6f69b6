import { InvalidOptionError, type TrainingWords } from '@gpt-lineage/tokenizer-bpe';
import type { Scanner } from './scanners/scanner.js';
import { hashOf, SLACK, sameBytes } from './token-table.js';
import { Utf8Buffer } from './utf8.js';
import { WINDOW, windowEnd } from './windows.js';

/** Bytes of distinct words kept at most. */
const BYTE_LIMIT = 1 << 28;

/** Counts distinct words (pieces of text) in bounded memory. */
export class WordCounter {
  readonly #limit: number;
  readonly #buffer = new Utf8Buffer();
  #slots = new Int32Array(1 << 12);
  #hashes = new Int32Array(1 << 11);
  #counts = new Float64Array(1 << 11);
  #ends = new Int32Array((1 << 11) + 1);
  #bytes = new Uint8Array(1 << 15);
  #view = new DataView(this.#bytes.buffer);
  #size = 0;
  #floor = 0;

  /**
   * @param limit distinct words to keep. When there are more, the rarest are dropped (lossy counting, Manku and
   *   Motwani 2002): no count is then too low by more than `maxUndercount`
   */
  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1024 || limit > 1 << 26) {
      throw new InvalidOptionError(
        `maxWords: expected a whole number from 1,024 to 2^26, received ${String(limit)}`,
      );
    }
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** How much too low a count can be: 0 as long as nothing was dropped, then all counts are exact. */
  get maxUndercount(): number {
    return this.#floor;
  }

  /** Adds the words of a text. */
  addText(text: string, scan: Scanner): void {
    const buffer = this.#buffer;
    for (let at = 0; at < text.length; ) {
      const end = windowEnd(text, at, WINDOW);
      buffer.write(at === 0 && end === text.length ? text : text.slice(at, end));
      this.#addBuffer(scan);
      at = end;
    }
    buffer.release();
  }

  /** Adds a text that was cut already. */
  addPieces(pieces: Iterable<string>): void {
    for (const piece of pieces) {
      this.#buffer.write(piece);
      this.#addWord(this.#buffer.view, 0, this.#buffer.length, 1);
    }
  }

  /** Adds what another counter, in another thread, has counted. */
  addCounts({ bytes, ends, counts, maxUndercount }: WordCounts): void {
    const padded = new Uint8Array(bytes.length + SLACK);
    padded.set(bytes);
    const view = new DataView(padded.buffer);
    for (let word = 0; word < counts.length; word++)
      this.#addWord(view, ends[word]!, ends[word + 1]!, counts[word]!);
    this.#floor += maxUndercount;
  }

  /** The words counted: `bytes[ends[i] … ends[i + 1])` came `counts[i]` times. */
  words(): WordCounts {
    return {
      bytes: this.#bytes.slice(0, this.#ends[this.#size]!),
      ends: this.#ends.slice(0, this.#size + 1),
      counts: this.#counts.slice(0, this.#size),
      maxUndercount: this.#floor,
    };
  }

  /** For the trainer: words of one byte have no pairs and are left out. */
  trainingWords(idOfByte: Int32Array): TrainingWords {
    let words = 0;
    let length = 0;
    for (let i = 0; i < this.#size; i++) {
      const size = this.#ends[i + 1]! - this.#ends[i]!;
      if (size < 2) continue;
      words++;
      length += size;
    }
    const symbols = new Int32Array(length);
    const offsets = new Int32Array(words + 1);
    const counts = new Float64Array(words);
    let word = 0;
    let at = 0;
    for (let i = 0; i < this.#size; i++) {
      const from = this.#ends[i]!;
      const to = this.#ends[i + 1]!;
      if (to - from < 2) continue;
      for (let j = from; j < to; j++) symbols[at++] = idOfByte[this.#bytes[j]!]!;
      counts[word++] = this.#counts[i]!;
      offsets[word] = at;
    }
    return { symbols, offsets, counts };
  }

  #addBuffer(scan: Scanner): void {
    const { bytes, view, length } = this.#buffer;
    for (let at = 0; at < length; ) {
      const end = scan(bytes, at);
      this.#addWord(view, at, end, 1);
      at = end;
    }
  }

  #addWord(view: DataView, from: number, to: number, count: number): void {
    const hash = hashOf(view, from, to);
    const slots = this.#slots;
    const mask = slots.length - 1;
    const length = to - from;
    let slot = hash & mask;
    for (;;) {
      const word = slots[slot]! - 1;
      if (word < 0) break;
      if (this.#hashes[word] === hash) {
        const own = this.#ends[word]!;
        if (this.#ends[word + 1]! - own === length && sameBytes(this.#view, own, view, from, length)) {
          this.#counts[word]! += count;
          return;
        }
      }
      slot = (slot + 1) & mask;
    }
    const word = this.#size++;
    slots[slot] = word + 1;
    this.#hashes[word] = hash;
    this.#counts[word] = count;
    const own = this.#ends[word]!;
    this.#ends[word + 1] = own + length;
    this.#reserveBytes(own + length);
    for (let i = 0; i < length; i++) this.#bytes[own + i] = view.getUint8(from + i);
    if (this.#size === this.#limit || own + length > BYTE_LIMIT) this.#prune();
    if (this.#size === this.#hashes.length) this.#growTables();
  }

  #reserveBytes(length: number): void {
    if (length + SLACK <= this.#bytes.length) return;
    let size = this.#bytes.length;
    while (size < length + SLACK) size *= 2;
    const larger = new Uint8Array(size);
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  #growTables(): void {
    const room = this.#hashes.length * 2;
    const hashes = new Int32Array(room);
    const counts = new Float64Array(room);
    const ends = new Int32Array(room + 1);
    hashes.set(this.#hashes);
    counts.set(this.#counts);
    ends.set(this.#ends);
    this.#hashes = hashes;
    this.#counts = counts;
    this.#ends = ends;
    this.#slots = new Int32Array(room * 2);
    this.#enterAll();
  }

  #enterAll(): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let word = 0; word < this.#size; word++) {
      let slot = this.#hashes[word]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = word + 1;
    }
  }

  /** Raises the floor until half of the words, and half of their bytes, are gone. */
  #prune(): void {
    const size = this.#size;
    const byteCount = this.#ends[size]!;
    const sorted = this.#counts.slice(0, size).sort();
    let threshold = sorted[size >> 1]!;
    for (;;) {
      let bytes = 0;
      for (let i = 0; i < size; i++)
        if (this.#counts[i]! > threshold) bytes += this.#ends[i + 1]! - this.#ends[i]!;
      if (bytes <= byteCount / 2) break;
      threshold *= 2;
    }
    let kept = 0;
    let at = 0;
    for (let i = 0; i < size; i++) {
      const count = this.#counts[i]!;
      if (count <= threshold) continue;
      const from = this.#ends[i]!;
      const to = this.#ends[i + 1]!;
      this.#bytes.copyWithin(at, from, to);
      at += to - from;
      this.#counts[kept] = count;
      this.#hashes[kept++] = this.#hashes[i]!;
      this.#ends[kept] = at;
    }
    this.#size = kept;
    this.#floor += threshold;
    this.#slots.fill(0);
    this.#enterAll();
  }
}

export interface WordCounts {
  bytes: Uint8Array;
  ends: Int32Array;
  counts: Float64Array;
  maxUndercount: number;
}
