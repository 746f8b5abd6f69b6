import type { GPT } from '../model/gpt.js';
import { stepRows } from './cached-rows.js';
import { type DecodePrograms, slotWidth, type WeightStorage } from './decode-programs.js';
import type { DecodeSession } from './session.js';

/** Most tokens of one step: scores take `nHead * length * total` numbers. */
const longestPart = 512;
/** The same where logits after every token are asked for, `vocabSize` numbers each. */
const longestAsked = 256;

/**
 * Decodes with captured steps. Keys and values stay in plain arrays that the steps read where they are; new ones are
 * written into place.
 */
export class CapturedSession implements DecodeSession {
  readonly #programs: DecodePrograms;
  readonly #model: GPT;
  /** One more than a row may have: a row that waits for others writes behind its end. */
  readonly #capacity: number;
  readonly #weights: WeightStorage;
  /** For each layer `[rows, nKvHead, capacity, slotWidth]` */
  #keys: Float32Array[] = [];
  #values: Float32Array[] = [];
  #lengths: number[] = [];
  /** Rows of the arrays; the first `#lengths.length` are in use. */
  #batch = 0;

  constructor(model: GPT, programs: DecodePrograms, capacity: number, weights: WeightStorage = 'float32') {
    this.#model = model;
    this.#programs = programs;
    this.#capacity = capacity + 1;
    this.#weights = weights;
  }

  get rows(): number {
    return this.#lengths.length;
  }

  length(row: number): number {
    return this.#lengths[row]!;
  }

  async read(tokens: readonly (readonly number[])[], all = false): Promise<Float32Array[][]> {
    if (this.#batch === 0) this.#allocate(tokens.length);
    const results: Float32Array[][] = tokens.map(() => []);
    const collect = (first: number, logits: readonly Float32Array[][]) => {
      logits.forEach((rows, at) => {
        if (rows.length === 0) return;
        if (all) results[first + at]!.push(...rows);
        else results[first + at] = rows;
      });
    };
    const rows = tokens.length;
    const longest = Math.max(...tokens.map((row) => row.length));
    const part = all ? longestAsked : longestPart;
    const empty = this.#lengths.every((length) => length === 0);
    if (rows > 1 && (longest === 1 || (empty && rows * longest <= part))) {
      // Together: the operator takes several rows for one token, or from the beginning.
      collect(0, await this.#run(0, tokens, all));
    } else if (longest < rows) {
      for (let at = 0; at < longest; at++) {
        collect(
          0,
          await this.#run(
            0,
            tokens.map((row) => row.slice(at, at + 1)),
            all,
          ),
        );
      }
    } else {
      for (const [row, ids] of tokens.entries()) {
        for (let at = 0; at < ids.length; at += part) {
          collect(row, await this.#run(row, [ids.slice(at, at + part)], all));
        }
      }
    }
    return results;
  }

  #allocate(rows: number): void {
    const { nLayer } = this.#model.config;
    this.#batch = rows;
    this.#lengths = new Array<number>(rows).fill(0);
    const { memory } = this.#programs;
    this.#keys = Array.from({ length: nLayer }, () => memory.take(rows * this.#rowSize));
    this.#values = Array.from({ length: nLayer }, () => memory.take(rows * this.#rowSize));
  }

  get #rowSize(): number {
    return this.#model.config.nKvHead * slotWidth(this.#model) * this.#capacity;
  }

  /** One step over the rows from `first` on. */
  async #run(first: number, parts: readonly (readonly number[])[], all: boolean): Promise<Float32Array[][]> {
    const length = Math.max(...parts.map((ids) => ids.length));
    const asked = parts.map((ids, row) => {
      const places = ids.map((_, i) => row * length + i);
      return all ? places : places.slice(-1);
    });
    const step = this.#programs.step(this.#weights);
    const cache = {
      keys: this.#keys,
      values: this.#values,
      lengths: this.#lengths,
      capacity: this.#capacity,
    };
    const logits = await stepRows(this.#model, step, cache, first, parts, Int32Array.from(asked.flat()));
    let at = 0;
    return asked.map((places) => {
      at += places.length;
      return logits.slice(at - places.length, at);
    });
  }

  select(rows: readonly number[]): void {
    if (rows.every((row, at) => row === at)) {
      this.#lengths.length = rows.length;
      return;
    }
    // Fewer rows stay in the arrays they have: a smaller batch would have to be compiled.
    const batch = Math.max(this.#batch, rows.length);
    this.#rearrange(rows, batch);
  }

  #rearrange(rows: readonly number[], batch: number): void {
    const move = (old: Float32Array): Float32Array => {
      const size = old.length / this.#batch;
      const moved = new Float32Array(size * batch);
      rows.forEach((row, at) => {
        moved.set(old.subarray(row * size, (row + 1) * size), at * size);
      });
      return moved;
    };
    this.#keys = this.#keys.map(move);
    this.#values = this.#values.map(move);
    this.#lengths = rows.map((row) => this.#lengths[row]!);
    this.#batch = batch;
  }

  fork(rows: readonly number[]): CapturedSession {
    const copy = new CapturedSession(this.#model, this.#programs, this.#capacity - 1, this.#weights);
    copy.#keys = this.#keys;
    copy.#values = this.#values;
    copy.#lengths = this.#lengths;
    copy.#batch = this.#batch;
    copy.#rearrange(rows, rows.length);
    return copy;
  }

  rewind(count: number): void {
    this.#lengths = this.#lengths.map((length) => length - count);
  }

  dispose(): void {
    this.#programs.memory.give([...this.#keys, ...this.#values]);
    this.#keys = [];
    this.#values = [];
    this.#batch = 0;
  }
}
