const ID_BITS = 20;
const ID_MASK = (1 << ID_BITS) - 1;

/** `LOW_BYTES[n]` keeps the first `n` bytes of a little-endian word. */
export const LOW_BYTES: Int32Array = /* @__PURE__ */ Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

/** Bytes that every buffer must have beyond its content, so that words can be read without looking. */
export const SLACK = 8;

/** Hash of `bytes[from … to)`, read by words of four. */
export function hashOf(view: DataView, from: number, to: number): number {
  let hash = to - from;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (view.getInt32(at, true) & LOW_BYTES[to - at]!), 0x85ebca77);
  return hash ^ (hash >>> 13);
}

/** Whether `length` bytes are the same at `a` in one buffer and at `b` in another. */
export function sameBytes(one: DataView, a: number, other: DataView, b: number, length: number): boolean {
  const end = a + length;
  for (; a + 4 <= end; a += 4, b += 4) {
    if (one.getInt32(a, true) !== other.getInt32(b, true)) return false;
  }
  return ((one.getInt32(a, true) ^ other.getInt32(b, true)) & LOW_BYTES[end - a]!) === 0;
}

/**
 * Ids of whole tokens by their bytes: two open-addressing tables. Tokens of up to eight bytes are their own key, four
 * words a slot: `bytes 0-3 | bytes 4-7 | length, id | unused`, so that finding one touches a single cache line.
 * Longer ones have one word a slot, `12 bits of hash | id + 1`, and are compared with the token.
 */
export class TokenTable {
  /** See above; a third word of 0 is an empty slot. */
  readonly short: Int32Array;
  /** The slot of a short token is `shortHash(…) >>> shortShift`, times four. */
  readonly shortShift: number;
  /** No token is longer. */
  readonly longest: number;
  readonly #view: DataView;
  readonly #offsets: Int32Array;
  readonly #long: Int32Array;

  /**
   * @param bytes the bytes of all tokens, one after the other, and `SLACK` more
   * @param offsets token `id` is `bytes[offsets[id] … offsets[id + 1])`; empty means there is none
   */
  constructor(bytes: Uint8Array, offsets: Int32Array) {
    const size = offsets.length - 1;
    // Slots for the case that all tokens are of one kind: counting them first would take a pass over all.
    const bits = Math.max(4, Math.ceil(Math.log2(size * 1.2 + 1)));
    this.short = new Int32Array(4 << bits);
    this.shortShift = 32 - bits;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offsets = offsets;
    this.#long = new Int32Array(1 << bits);
    let longest = 1;
    for (let id = 0; id < size; id++) {
      const from = offsets[id]!;
      const to = offsets[id + 1]!;
      if (to - from > 8) this.#enterLong(id, from, to);
      else if (to > from) this.#enterShort(id, from, to - from);
      if (to - from > longest) longest = to - from;
    }
    this.longest = longest;
  }

  #enterShort(id: number, from: number, length: number): void {
    const { short } = this;
    const view = this.#view;
    const first = view.getInt32(from, true) & LOW_BYTES[Math.min(length, 4)]!;
    const second = length > 4 ? view.getInt32(from + 4, true) & LOW_BYTES[length - 4]! : 0;
    let slot = (shortHash(first, second) >>> this.shortShift) << 2;
    while (short[slot + 2] !== 0) slot = (slot + 4) & (short.length - 1);
    short[slot] = first;
    short[slot + 1] = second;
    short[slot + 2] = (length << ID_BITS) | id;
  }

  #enterLong(id: number, from: number, to: number): void {
    const long = this.#long;
    const mask = long.length - 1;
    const hash = hashOf(this.#view, from, to);
    let slot = hash & mask;
    while (long[slot] !== 0) slot = (slot + 1) & mask;
    long[slot] = (hash & ~ID_MASK) | (id + 1);
  }

  /** Id of the token that is `view[from … to)`, -1 when there is none. */
  find(view: DataView, from: number, to: number): number {
    const length = to - from;
    if (length > 8) return length > this.longest ? -1 : this.findLong(view, from, to, hashOf(view, from, to));
    const { short } = this;
    const first = view.getInt32(from, true) & LOW_BYTES[Math.min(length, 4)]!;
    const second = length > 4 ? view.getInt32(from + 4, true) & LOW_BYTES[length - 4]! : 0;
    let slot = (shortHash(first, second) >>> this.shortShift) << 2;
    for (;;) {
      const word = short[slot + 2]!;
      if (word === 0) return -1;
      if (short[slot] === first && short[slot + 1] === second && word >>> ID_BITS === length) {
        return word & ID_MASK;
      }
      slot = (slot + 4) & (short.length - 1);
    }
  }

  /** The same for tokens of more than eight bytes, whose hash is known. */
  findLong(view: DataView, from: number, to: number, hash: number): number {
    const long = this.#long;
    const mask = long.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = long[slot]!;
      if (entry === 0) return -1;
      if ((entry ^ hash) >>> ID_BITS !== 0) continue;
      const id = (entry & ID_MASK) - 1;
      const own = this.#offsets[id]!;
      if (this.#offsets[id + 1]! - own === to - from && sameBytes(this.#view, own, view, from, to - from)) {
        return id;
      }
    }
  }
}

/** The high bits of the product depend on every byte of the key. */
export function shortHash(first: number, second: number): number {
  return Math.imul(first, 0x9e3779b1) ^ Math.imul(second ^ (first >>> 11), 0x85ebca77);
}
