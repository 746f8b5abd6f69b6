import { WINDOW } from './windows.js';

/** Takes token ids as they are made. */
export interface Sink {
  readonly full: boolean;
  readonly firstWindow: number;
  add(id: number): void;
  append(ids: Int32Array, count: number): void;
}

/** Keeps ids: those of a single window where they are, of several windows as copies. */
export class Ids implements Sink {
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

/** Larger work space is given back. */
const KEEP = 1 << 20;

/** Gathers the ids of many texts, one after the other. Its work space is used again. */
export class IdBuffer implements Sink {
  readonly full = false;
  readonly firstWindow = WINDOW;
  length = 0;
  #ids = new Uint32Array(1024);

  add(id: number): void {
    this.#reserve(1);
    this.#ids[this.length++] = id;
  }

  append(ids: Int32Array, count: number): void {
    this.#reserve(count);
    const all = this.#ids;
    const at = this.length;
    // A view costs more than copying a few numbers.
    if (count < 64) for (let i = 0; i < count; i++) all[at + i] = ids[i]!;
    else all.set(ids.subarray(0, count), at);
    this.length = at + count;
  }

  /** The ids as an array of exactly that size. */
  toUint32(): Uint32Array<ArrayBuffer> {
    return this.#ids.slice(0, this.length);
  }

  clear(): void {
    this.length = 0;
    if (this.#ids.length > KEEP) this.#ids = new Uint32Array(1024);
  }

  #reserve(count: number): void {
    const wanted = this.length + count;
    if (wanted <= this.#ids.length) return;
    const larger = new Uint32Array(Math.max(wanted, this.#ids.length * 2));
    larger.set(this.#ids.subarray(0, this.length));
    this.#ids = larger;
  }
}

export class Count implements Sink {
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
