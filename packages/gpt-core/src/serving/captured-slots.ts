import { stepRows } from '../generation/cached-rows.js';
import { slotWidth } from '../generation/decode-programs.js';
import type { GPT } from '../model/gpt.js';
import type { SlotRead, Slots } from './slots.js';

/**
 * Rows of one step. With two to eight, logits of a row do not depend on its neighbours, to the last bit: a matrix
 * product of one row, or of many, sums in another order.
 */
const fewest = 2;
const most = 8;

/**
 * Slots for the compiled step. Keys and values stand in plain arrays, a row for each slot, that the step reads
 * where they are; a step of several slots covers the rows from the first of them to the last.
 */
export class CapturedSlots implements Slots {
  readonly count: number;
  readonly capacity: number;
  readonly #model: GPT;
  readonly #rows: number;
  /** For each layer `[rows, nKvHead, capacity + 1, width]` */
  readonly #keys: Float32Array[];
  readonly #values: Float32Array[];
  readonly #rowSize: number;
  readonly #rowOf: number[];
  /** Tokens by row */
  readonly #lengths: number[];

  constructor(model: GPT, count: number, capacity: number) {
    const { nLayer, nKvHead } = model.config;
    this.#model = model;
    this.count = count;
    this.capacity = capacity;
    this.#rows = Math.max(count, fewest);
    this.#rowSize = nKvHead * (capacity + 1) * slotWidth(model);
    const allocate = () => Array.from({ length: nLayer }, () => new Float32Array(this.#rows * this.#rowSize));
    this.#keys = allocate();
    this.#values = allocate();
    this.#rowOf = Array.from({ length: count }, (_, slot) => slot);
    this.#lengths = new Array<number>(this.#rows).fill(0);
  }

  length(slot: number): number {
    return this.#lengths[this.#rowOf[slot]!]!;
  }

  keep(slot: number, length: number): number {
    const row = this.#rowOf[slot]!;
    this.#lengths[row] = Math.min(length, this.#lengths[row]!);
    return this.#lengths[row];
  }

  copy(from: number, to: number, length: number): number {
    const [source, target] = [this.#rowOf[from]!, this.#rowOf[to]!];
    const size = this.#rowSize;
    for (const rows of [...this.#keys, ...this.#values]) {
      rows.copyWithin(target * size, source * size, (source + 1) * size);
    }
    this.#lengths[target] = Math.min(length, this.#lengths[source]!);
    return this.#lengths[target];
  }

  longest(all: boolean): number {
    // Scores take `nHead * length * total` numbers, logits after every token `length * vocabSize`.
    return all ? 128 : 512;
  }

  async extend({ slot, tokenIds }: SlotRead, all: boolean): Promise<Float32Array[]> {
    const asked = Int32Array.from(all ? tokenIds.keys() : [tokenIds.length - 1]);
    return this.#run(this.#rowOf[slot]!, [tokenIds], asked);
  }

  async advance(reads: readonly SlotRead[]): Promise<Float32Array[]> {
    this.#compact(reads.map(({ slot }) => slot));
    const order = reads.map((read, at) => ({ read, at, row: this.#rowOf[read.slot]! }));
    order.sort((a, b) => a.row - b.row);
    const results: Float32Array[] = new Array(reads.length);
    for (let from = 0; from < order.length; ) {
      const first = order[from]!.row;
      let to = from + 1;
      while (to < order.length && order[to]!.row < first + most) to += 1;
      const group = order.slice(from, to);
      const batch = Math.max(fewest, group.at(-1)!.row - first + 1);
      const start = Math.min(first, this.#rows - batch);
      const tokens: (readonly number[])[] = Array.from({ length: batch }, () => []);
      for (const { read, row } of group) tokens[row - start] = read.tokenIds;
      const logits = await this.#run(
        start,
        tokens,
        Int32Array.from(group, ({ row }) => row - start),
      );
      group.forEach(({ at }, i) => {
        results[at] = logits[i]!;
      });
      from = to;
    }
    return results;
  }

  /** Moves rows together where a step would be half empty otherwise. */
  #compact(slots: readonly number[]): void {
    if (slots.length > most) return;
    for (;;) {
      const rows = slots.map((slot) => this.#rowOf[slot]!).sort((a, b) => a - b);
      const [first, last] = [rows[0]!, rows.at(-1)!];
      const span = last - first + 1;
      if (span <= fewest || (span <= most && span < 2 * rows.length)) return;
      const used = new Set(rows);
      const hole = Array.from({ length: span }, (_, i) => first + i).find((row) => !used.has(row))!;
      this.#swap(last, hole);
    }
  }

  #swap(a: number, b: number): void {
    const size = this.#rowSize;
    for (const rows of [...this.#keys, ...this.#values]) {
      const kept = rows.slice(a * size, (a + 1) * size);
      rows.copyWithin(a * size, b * size, (b + 1) * size);
      rows.set(kept, b * size);
    }
    const [lengthA, lengthB] = [this.#lengths[a]!, this.#lengths[b]!];
    this.#lengths[a] = lengthB;
    this.#lengths[b] = lengthA;
    const [slotA, slotB] = [this.#rowOf.indexOf(a), this.#rowOf.indexOf(b)];
    if (slotA >= 0) this.#rowOf[slotA] = b;
    if (slotB >= 0) this.#rowOf[slotB] = a;
  }

  #run(start: number, tokens: readonly (readonly number[])[], asked: Int32Array): Promise<Float32Array[]> {
    const cache = {
      keys: this.#keys,
      values: this.#values,
      lengths: this.#lengths,
      capacity: this.capacity + 1,
    };
    return stepRows(this.#model, this.#model.decodePrograms.step('float32'), cache, start, tokens, asked);
  }

  dispose(): void {
    this.#keys.length = 0;
    this.#values.length = 0;
  }
}
