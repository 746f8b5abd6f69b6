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
