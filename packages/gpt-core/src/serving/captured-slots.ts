import * as tf from '@tensorflow/tfjs-core';
import type { GPT } from '../model/gpt.js';
import { SlotPrograms, type SlotStep } from './slot-programs.js';
import type { SlotRead, Slots } from './slots.js';

/** Above this many parameters compiled steps are few, as each holds a copy of the weights. */
const largeModel = 50e6;

/**
 * Slots for compiled steps. Keys and values stand in plain arrays, a row for each slot, that the steps read where they
 * are; a step of several slots covers the rows from the first of them to the last.
 */
export class CapturedSlots implements Slots {
  readonly count: number;
  readonly capacity: number;
  readonly #model: GPT;
  readonly #programs: SlotPrograms;
  /** Rows of a step. Two at least: see `SlotPrograms`. */
  readonly #batches: readonly number[];
  readonly #chunks: readonly number[];
  /** For each layer `[rows, nKvHead, headDim, capacity]` */
  readonly #keys: Float32Array[];
  /** For each layer `[rows, nKvHead, capacity, headDim]` */
  readonly #values: Float32Array[];
  readonly #rowSize: number;
  readonly #rowOf: number[];
  readonly #lengths: number[];

  constructor(model: GPT, count: number, capacity: number) {
    const { nLayer, nKvHead, nEmbd, nHead } = model.config;
    const large = model.parameterCount > largeModel;
    this.#model = model;
    this.count = count;
    this.capacity = capacity;
    this.#programs = new SlotPrograms(model, capacity);
    this.#batches = large ? [2, 8] : [2, 4, 8];
    this.#chunks = (large ? [64] : [8, 64, 256]).filter((length, at) => at === 0 || length < 4 * capacity);
    this.#rowSize = nKvHead * (nEmbd / nHead) * capacity;
    const rows = Math.max(count, this.#batches[0]!);
    this.#keys = Array.from({ length: nLayer }, () => new Float32Array(rows * this.#rowSize));
    this.#values = Array.from({ length: nLayer }, () => new Float32Array(rows * this.#rowSize));
    this.#rowOf = Array.from({ length: count }, (_, slot) => slot);
    this.#lengths = new Array<number>(count).fill(0);
  }

  length(slot: number): number {
    return this.#lengths[slot]!;
  }

  keep(slot: number, length: number): number {
    this.#lengths[slot] = Math.min(length, this.#lengths[slot]!);
    return this.#lengths[slot]!;
  }

  copy(from: number, to: number, length: number): number {
    const [source, target] = [this.#rowOf[from]! * this.#rowSize, this.#rowOf[to]! * this.#rowSize];
    for (const rows of [...this.#keys, ...this.#values]) {
      rows.copyWithin(target, source, source + this.#rowSize);
    }
    this.#lengths[to] = Math.min(length, this.#lengths[from]!);
    return this.#lengths[to]!;
  }

  longest(all: boolean): number {
    // Predictions after every token of a long part would be large.
    return all ? Math.max(...this.#chunks.filter((length) => length <= 64)) : this.#chunks.at(-1)!;
  }

  async extend({ slot, tokenIds }: SlotRead, all: boolean): Promise<Float32Array[]> {
    const length = this.#chunks.find((size) => size >= tokenIds.length) ?? this.#chunks.at(-1)!;
    const step = await this.#programs.step(1, length, all);
    const logits = await this.#run(step, this.#rowOf[slot]!, 1, length, [{ slot, tokenIds }]);
    return logits[0]!.slice(0, all ? tokenIds.length : 1);
  }

  async advance(reads: readonly SlotRead[]): Promise<Float32Array[]> {
    this.#compact(reads.map(({ slot }) => slot));
    const order = reads.map((read, at) => ({ read, at, row: this.#rowOf[read.slot]! }));
    order.sort((a, b) => a.row - b.row);
    const results: Float32Array[] = new Array(reads.length);
    const widest = this.#batches.at(-1)!;
    for (let from = 0; from < order.length; ) {
      const first = order[from]!.row;
      let to = from + 1;
      while (to < order.length && order[to]!.row < first + widest) to += 1;
      const group = order.slice(from, to);
      const batch = this.#batchFor(group.at(-1)!.row - first + 1);
      const start = Math.max(0, Math.min(first, this.#rows - batch));
      const step = await this.#programs.step(Math.min(batch, this.#rows), 1, false);
      const logits = await this.#run(
        step,
        start,
        Math.min(batch, this.#rows),
        1,
        group.map(({ read }) => read),
      );
      group.forEach(({ at }, i) => {
        results[at] = logits[i]![0]!;
      });
      from = to;
    }
    return results;
  }

  get #rows(): number {
    return this.#keys[0]!.length / this.#rowSize;
  }

  #batchFor(rows: number): number {
    return this.#batches.find((batch) => batch >= rows) ?? this.#batches.at(-1)!;
  }

  /** Moves rows together while that makes the step smaller. */
  #compact(slots: readonly number[]): void {
    for (;;) {
      const rows = slots.map((slot) => this.#rowOf[slot]!).sort((a, b) => a - b);
      const [first, last] = [rows[0]!, rows.at(-1)!];
      const steps = (span: number) =>
        span > this.#batches.at(-1)! ? Number.POSITIVE_INFINITY : this.#batchFor(span);
      if (steps(last - first + 1) <= steps(rows.length) || rows.length > this.#batches.at(-1)!) return;
      const used = new Set(rows);
      const hole = Array.from({ length: last - first }, (_, i) => first + i).find((row) => !used.has(row))!;
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
    const [slotA, slotB] = [this.#rowOf.indexOf(a), this.#rowOf.indexOf(b)];
    if (slotA >= 0) this.#rowOf[slotA] = b;
    if (slotB >= 0) this.#rowOf[slotB] = a;
  }

  /** One compiled step over the rows from `start` on. @returns for each read, for each asked position: logits */
  async #run(
    step: SlotStep,
    start: number,
    batch: number,
    length: number,
    reads: readonly SlotRead[],
  ): Promise<Float32Array[][]> {
    const tokenIds = new Int32Array(batch * length);
    const positionIds = new Int32Array(batch * length);
    const filled = new Int32Array(batch);
    const asked = new Int32Array(batch);
    const last = this.#model.config.contextLength - 1;
    const places = reads.map(({ slot }) => this.#rowOf[slot]! - start);
    reads.forEach(({ slot, tokenIds: ids }, at) => {
      const row = places[at]!;
      filled[row] = this.#lengths[slot]!;
      asked[row] = ids.length - 1;
      tokenIds.set(ids, row * length);
      for (let i = 0; i < length; i++) positionIds[row * length + i] = Math.min(filled[row]! + i, last);
    });
    const rows = (all: Float32Array) => all.subarray(start * this.#rowSize, (start + batch) * this.#rowSize);
    const output = await step(
      tokenIds,
      positionIds,
      filled,
      asked,
      this.#keys.map(rows),
      this.#values.map(rows),
    );
    try {
      this.#store(output.fresh.dataSync() as Float32Array, batch, length, reads, places);
      const logits = output.logits.dataSync() as Float32Array;
      const { vocabSize } = this.#model.config;
      const positions = output.logits.shape[1];
      return places.map((row) =>
        Array.from({ length: positions }, (_, i) => {
          const from = (row * positions + i) * vocabSize;
          return logits.subarray(from, from + vocabSize);
        }),
      );
    } finally {
      tf.dispose([output.logits, output.fresh]);
    }
  }

  /** Writes new keys and values `[2 * nLayer, batch, nKvHead, length, headDim]` behind those of each read slot. */
  #store(
    fresh: Float32Array,
    batch: number,
    length: number,
    reads: readonly SlotRead[],
    places: readonly number[],
  ): void {
    const { nLayer, nKvHead, nEmbd, nHead } = this.#model.config;
    const capacity = this.capacity;
    const headDim = nEmbd / nHead;
    const perHead = length * headDim;
    reads.forEach(({ slot, tokenIds }, at) => {
      const first = this.#lengths[slot]!;
      const rowStart = this.#rowOf[slot]! * this.#rowSize;
      const count = tokenIds.length;
      for (let layer = 0; layer < nLayer; layer++) {
        const keys = this.#keys[layer]!;
        const values = this.#values[layer]!;
        for (let head = 0; head < nKvHead; head++) {
          const target = rowStart + head * headDim * capacity;
          const keyFrom = ((layer * batch + places[at]!) * nKvHead + head) * perHead;
          for (let i = 0; i < count; i++) {
            const from = keyFrom + i * headDim;
            for (let d = 0, to = target + first + i; d < headDim; d++, to += capacity)
              keys[to] = fresh[from + d]!;
          }
          const valueFrom = (((nLayer + layer) * batch + places[at]!) * nKvHead + head) * perHead;
          values.set(fresh.subarray(valueFrom, valueFrom + count * headDim), target + first * headDim);
        }
      }
      this.#lengths[slot] = first + count;
    });
  }

  dispose(): void {
    this.#programs.dispose();
  }
}
