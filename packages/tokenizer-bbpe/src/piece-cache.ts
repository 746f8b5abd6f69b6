import { SLACK, sameBytes } from './token-table.js';

/** Longer pieces rarely come twice. */
export const LONGEST_CACHED = 64;
/** A crowd of equal hashes costs this many probes, then it is not cached. */
const PROBES = 12;

/**
 * What the merge loop made of pieces that are not tokens themselves. Bounded: when it is full it is emptied.
 * Everything lies in typed arrays, so a full cache is invisible to the garbage collector.
 */
export class PieceCache {
  readonly #capacity: number;
  readonly #mask: number;
  readonly #slots: Int32Array;
  readonly #hashes: Int32Array;
  readonly #keyEnds: Int32Array;
  readonly #valueEnds: Int32Array;
  readonly #keys: Uint8Array;
  readonly #keyView: DataView;
  readonly #values: Int32Array;
  #size = 0;

  /** @param capacity pieces to remember; about 70 bytes each */
  constructor(capacity: number) {
    let slotCount = 16;
    while (slotCount < capacity * 2) slotCount *= 2;
    this.#capacity = capacity;
    this.#mask = slotCount - 1;
    this.#slots = new Int32Array(slotCount);
    this.#hashes = new Int32Array(capacity);
    this.#keyEnds = new Int32Array(capacity + 1);
    this.#valueEnds = new Int32Array(capacity + 1);
    this.#keys = new Uint8Array(capacity * 20 + LONGEST_CACHED + SLACK);
    this.#keyView = new DataView(this.#keys.buffer);
    this.#values = new Int32Array(capacity * 6 + LONGEST_CACHED);
  }

  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#size = 0;
    this.#slots.fill(0);
  }

  /** Copies the ids of a piece to `out[at …]`. @returns how many, 0 when the piece is not known */
  read(view: DataView, from: number, to: number, hash: number, out: Int32Array, at: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hash & mask, probes = 0; probes < PROBES; probes++) {
      const entry = slots[slot]! - 1;
      if (entry < 0) return 0;
      if (this.#hashes[entry] === hash) {
        const key = this.#keyEnds[entry]!;
        const length = to - from;
        if (this.#keyEnds[entry + 1]! - key === length && sameBytes(this.#keyView, key, view, from, length)) {
          const start = this.#valueEnds[entry]!;
          const count = this.#valueEnds[entry + 1]! - start;
          const values = this.#values;
          for (let i = 0; i < count; i++) out[at + i] = values[start + i]!;
          return count;
        }
      }
      slot = (slot + 1) & mask;
    }
    return 0;
  }

  /** Remembers that `bytes[from … to)` became the `count` ids at `out[at …]`. */
  write(
    bytes: Uint8Array,
    from: number,
    to: number,
    hash: number,
    out: Int32Array,
    at: number,
    count: number,
  ): void {
    const keysLeft = this.#keys.length - SLACK - this.#keyEnds[this.#size]!;
    const valuesLeft = this.#values.length - this.#valueEnds[this.#size]!;
    if (this.#size === this.#capacity || to - from > keysLeft || count > valuesLeft) this.clear();
    const size = this.#size;
    const slots = this.#slots;
    let slot = hash & this.#mask;
    for (let probes = 1; slots[slot] !== 0; probes++) {
      if (probes === PROBES) return;
      slot = (slot + 1) & this.#mask;
    }
    const key = this.#keyEnds[size]!;
    const value = this.#valueEnds[size]!;
    slots[slot] = size + 1;
    this.#hashes[size] = hash;
    const keys = this.#keys;
    const values = this.#values;
    for (let i = from; i < to; i++) keys[key + i - from] = bytes[i]!;
    for (let i = 0; i < count; i++) values[value + i] = out[at + i]!;
    this.#keyEnds[size + 1] = key + to - from;
    this.#valueEnds[size + 1] = value + count;
    this.#size = size + 1;
  }
}
