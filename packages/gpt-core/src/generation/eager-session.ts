import { type CacheLayer, KVCache } from '@gpt-lineage/attention';
import * as tf from '@tensorflow/tfjs-core';
import type { GPT } from '../model/gpt.js';
import type { DecodeSession } from './session.js';

/** Decodes with the current TensorFlow.js backend, op by op. Ragged rows are padded on the left. */
export class EagerSession implements DecodeSession {
  readonly #model: GPT;
  readonly #capacity: number;
  readonly #slack: number;
  #cache: KVCache | undefined;
  /** States of earlier segments, and how many of them: the cache takes them in with the first tokens. */
  readonly #memory: readonly (tf.Tensor3D | null)[] | undefined;
  #remembered = 0;
  readonly #softTokens: tf.Tensor2D | undefined;
  /** Padding before each row. */
  #starts: number[] = [];

  /**
   * @param capacity most tokens of a row
   * @param slack most tokens that `rewind` takes back
   * @param memory for each layer `[1, memoryLength, nEmbd]`: read before the first token; for one row
   * @param softTokens `[count, nEmbd]`: what ids from `vocabSize` on stand for
   */
  constructor(
    model: GPT,
    capacity: number,
    slack = 0,
    memory?: readonly (tf.Tensor3D | null)[],
    softTokens?: tf.Tensor2D,
  ) {
    this.#model = model;
    this.#capacity = capacity;
    this.#slack = slack;
    this.#memory = memory;
    this.#softTokens = softTokens;
  }

  get rows(): number {
    return this.#starts.length;
  }

  length(row: number): number {
    return (this.#cache?.length ?? 0) - this.#remembered - this.#starts[row]!;
  }

  async read(tokens: readonly (readonly number[])[], all = false): Promise<Float32Array[][]> {
    const longest = Math.max(...tokens.map((row) => row.length));
    if (!this.#cache) this.open(tokens.map((row) => longest - row.length));
    const hidden = this.advance(
      tokens.map((row) => [...new Array<number>(longest - row.length).fill(0), ...row]),
    );
    const { vocabSize, nEmbd } = this.#model.config;
    const positions = all ? longest : 1;
    const logits = tf.tidy(() => {
      const [rows, length] = hidden.shape;
      const asked = all ? hidden : tf.slice(hidden, [0, length - 1, 0], [rows, 1, nEmbd]);
      return this.#model.head(tf.reshape(asked, [-1, nEmbd]) as tf.Tensor2D);
    });
    hidden.dispose();
    const values = (await logits.data()) as Float32Array;
    logits.dispose();
    return tokens.map((_, row) =>
      Array.from({ length: positions }, (_, position) => {
        const start = (row * positions + position) * vocabSize;
        return values.slice(start, start + vocabSize);
      }),
    );
  }

  /** Reads rows of equal length. @returns hidden states `[rows, length, nEmbd]`, the caller's */
  advance(rows: readonly (readonly number[])[]): tf.Tensor3D {
    const cache = this.#cache!;
    const first = this.#remembered === 0 && cache.length === 0;
    const recalled = first ? (this.#memory?.[0]?.shape[1] ?? 0) : 0;
    const offset = cache.length + recalled;
    const positionIds = rows.map((row, at) => row.map((_, i) => Math.max(0, offset + i - this.#starts[at]!)));
    const memory = {
      extend: (layer: number, hidden: tf.Tensor3D) => tf.concat([this.#memory![layer]!, hidden], 1),
    };
    const { vocabSize } = this.#model.config;
    const softTokens = rows.some((row) => row.some((id) => id >= vocabSize)) ? this.#softTokens : undefined;
    const hidden = tf.tidy(
      () =>
        this.#model.forward(rows, {
          cache,
          ...(softTokens ? { softTokens } : {}),
          positionIds,
          logits: 'none',
          ...(recalled > 0 ? { memory } : {}),
        }).lastHiddenState,
    );
    this.#remembered += recalled;
    cache.advance(rows[0]!.length + recalled);
    return hidden;
  }

  /** Makes the cache. @param starts padding before each row */
  open(starts: number[]): void {
    const { config } = this.#model;
    this.#starts = starts;
    const padding = starts.some((start) => start > 0) ? tf.tensor1d(starts, 'int32') : undefined;
    const capacity = this.#capacity + Math.max(...starts) + (this.#memory?.[0]?.shape[1] ?? 0);
    this.#cache = new KVCache({
      batch: starts.length,
      nKvHead: config.nKvHead,
      headDim: config.nEmbd / config.nHead,
      layers: config.layerPattern.map(
        (layer): CacheLayer =>
          layer.type === 'banded'
            ? { kind: 'window', window: layer.window, slack: this.#slack }
            : { kind: 'full', capacity },
      ),
      ...(padding ? { starts: padding } : {}),
    });
    padding?.dispose();
  }

  select(rows: readonly number[]): void {
    const cache = this.#cache!;
    if (rows.length === cache.batch) {
      if (rows.some((row, at) => row !== at)) cache.reorder(rows);
    } else {
      this.#cache = cache.fork(rows);
      cache.dispose();
    }
    this.#starts = rows.map((row) => this.#starts[row]!);
  }

  fork(rows: readonly number[]): EagerSession {
    const copy = new EagerSession(this.#model, this.#capacity, this.#slack, undefined, this.#softTokens);
    copy.#cache = this.#cache!.fork(rows);
    copy.#starts = rows.map((row) => this.#starts[row]!);
    copy.#remembered = this.#remembered;
    return copy;
  }

  rewind(count: number): void {
    this.#cache!.rewind(this.#cache!.length - count);
  }

  dispose(): void {
    this.#cache?.dispose();
    this.#cache = undefined;
  }
}
