import * as tf from '@tensorflow/tfjs-core';
import { ClipInputError } from '../errors.js';

export interface SearchResult<T> {
  readonly item: T;
  /** Position in the order of adding. */
  readonly index: number;
  /** Cosine, −1 to 1. */
  readonly score: number;
}

/** Cosine of every row of one with every row of the other, `[rowsA, rowsB]`; the caller's. Inputs need no normalising. */
export function similarityMatrix(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.matMul(unit(a), unit(b), false, true));
}

/** Rows of length 1; a row of zeros stays zeros. */
function unit(x: tf.Tensor2D): tf.Tensor2D {
  return tf.div(x, tf.maximum(tf.sqrt(tf.sum(tf.square(x), -1, true)), 1e-12));
}

/**
 * Exact nearest-neighbour search over embeddings, by matrix products a chunk at a time. Holds float32 values in
 * ordinary memory, 2 kB for 512 dimensions: a million pictures fit a laptop.
 */
export class RetrievalIndex<T> {
  readonly embedDim: number;
  readonly #items: T[] = [];
  readonly #chunks: Float32Array[] = [];
  readonly #chunkRows: number;

  /** @param options `chunkRows`: rows compared at a time, default 8192 */
  constructor(embedDim: number, options: { readonly chunkRows?: number } = {}) {
    this.embedDim = embedDim;
    this.#chunkRows = options.chunkRows ?? 8192;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Adds one item per row. The tensor stays the caller's. @throws {ClipInputError} when counts or widths differ */
  async add(embeds: tf.Tensor2D, items: readonly T[]): Promise<void> {
    const [rows, width] = embeds.shape;
    if (width !== this.embedDim || rows !== items.length) {
      throw new ClipInputError(
        'embeds',
        `must be [${items.length}, ${this.embedDim}], received [${embeds.shape}]`,
      );
    }
    const normalized = tf.tidy(() => unit(embeds));
    const values = (await normalized.data()) as Float32Array;
    normalized.dispose();
    for (let row = 0; row < rows; row++) {
      const slot = this.#items.length % this.#chunkRows;
      if (slot === 0) this.#chunks.push(new Float32Array(this.#chunkRows * width));
      this.#chunks.at(-1)!.set(values.subarray(row * width, (row + 1) * width), slot * width);
      this.#items.push(items[row]!);
    }
  }

  /**
   * The `k` best items for each query row, best first; equal scores in the order of adding.
   *
   * @param queries `[queries, embedDim]`, need no normalising; stays the caller's
   */
  async search(queries: tf.Tensor2D, k = 10): Promise<SearchResult<T>[][]> {
    if (queries.shape[1] !== this.embedDim) {
      throw new ClipInputError('queries', `must be [queries, ${this.embedDim}], received [${queries.shape}]`);
    }
    if (!Number.isSafeInteger(k) || k < 1)
      throw new ClipInputError('k', `must be a positive integer, received ${k}`);
    const count = queries.shape[0];
    const best = Array.from({ length: count }, () => new TopK(k));
    for (const [i, chunk] of this.#chunks.entries()) {
      const rows = Math.min(this.#chunkRows, this.size - i * this.#chunkRows);
      const scores = tf.tidy(() => {
        const candidates = tf.tensor2d(chunk.subarray(0, rows * this.embedDim), [rows, this.embedDim]);
        return tf.matMul(unit(queries), candidates, false, true);
      });
      const values = await scores.data();
      scores.dispose();
      for (let query = 0; query < count; query++) {
        const top = best[query]!;
        for (let row = 0; row < rows; row++)
          top.offer(values[query * rows + row]!, i * this.#chunkRows + row);
      }
    }
    return best.map((top) =>
      top.entries.map(({ score, index }) => ({ item: this.#items[index]!, index, score })),
    );
  }
}

/** Keeps the best k of a stream, sorted; most offers are refused by one comparison. */
class TopK {
  readonly entries: { score: number; index: number }[] = [];
  readonly #k: number;

  constructor(k: number) {
    this.#k = k;
  }

  offer(score: number, index: number): void {
    const { entries } = this;
    if (entries.length === this.#k && !(score > entries.at(-1)!.score)) return;
    let at = entries.length;
    while (at > 0 && score > entries[at - 1]!.score) at--;
    entries.splice(at, 0, { score, index });
    if (entries.length > this.#k) entries.pop();
  }
}
