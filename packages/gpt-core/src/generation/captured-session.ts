import { type CapturedFunction, capture } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { GPT } from '../model/gpt.js';
import type { DecodeSession } from './session.js';

/** How weights are stored while decoding; anything but `float32` trades exactness for memory bandwidth. */
export type WeightStorage = 'float32' | 'float16' | 'int8' | 'int4';

interface StepOutput {
  /** `[batch, asked, vocabSize]`, asked = length or 1 */
  readonly logits: tf.Tensor3D;
  /** For each layer `[batch, nKvHead, length, headDim]` */
  readonly keys: tf.Tensor4D[];
  readonly values: tf.Tensor4D[];
}

type Step = CapturedFunction<
  [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor2D, tf.Tensor4D[], tf.Tensor4D[]],
  StepOutput
>;

/** Compiled steps of one model, by batch, length and capacity. */
export class DecodePrograms {
  readonly #model: GPT;
  readonly #steps = new Map<string, Step>();
  #adapters: readonly unknown[] = [];

  constructor(model: GPT) {
    this.#model = model;
  }

  /** Whether this machine has something that runs captured functions, and the model is one that can be captured. */
  get available(): boolean {
    const { layerPattern, positions } = this.#model.config;
    const simple = positions === 'learned' || positions === 'none' || positions === 'rotary';
    const byScore = layerPattern.some(({ type }) => type === 'topk');
    const byHead = layerPattern.some((layer) => 'heads' in layer && layer.heads === 'alternating');
    if (!simple || byScore || byHead) return false;
    using probe = capture(() => tf.scalar(0));
    return probe.executor !== 'eager';
  }

  /** The step for `length` new tokens of `batch` rows over `capacity` cached positions. */
  step(batch: number, length: number, capacity: number, all: boolean, weights: WeightStorage): Step {
    // A captured step holds the adapters that it saw.
    const adapters = [...this.#model.adapters].flat();
    if (
      adapters.length !== this.#adapters.length ||
      adapters.some((entry, i) => entry !== this.#adapters[i])
    ) {
      this.dispose();
      this.#adapters = adapters;
    }
    const key = `${batch} ${length} ${capacity} ${all} ${weights}`;
    let step = this.#steps.get(key);
    this.#steps.delete(key);
    step ??= this.#capture(batch, length, capacity, all, weights);
    this.#steps.set(key, step);
    if (this.#steps.size > this.#most) {
      const [oldest, unused] = this.#steps.entries().next().value!;
      this.#steps.delete(oldest);
      unused.dispose();
    }
    return step;
  }

  /** Steps kept: each may hold a copy of the weights, so fewer for larger models. */
  get #most(): number {
    return Math.min(16, Math.max(2, Math.floor(1.5e9 / this.#model.parameterCount)));
  }

  #capture(batch: number, length: number, capacity: number, all: boolean, weights: WeightStorage): Step {
    const model = this.#model;
    const { nLayer, nEmbd, nHead, nKvHead, vocabSize } = model.config;
    const headDim = nEmbd / nHead;
    const int = (...shape: number[]) => ({ shape, dtype: 'int32' as const });
    const layers = Array.from({ length: nLayer }, (_, layer) => layer);
    const fn = (
      tokenIds: tf.Tensor2D,
      positionIds: tf.Tensor2D,
      lengths: tf.Tensor1D,
      asked: tf.Tensor2D,
      keys: tf.Tensor4D[],
      values: tf.Tensor4D[],
    ): StepOutput =>
      tf.tidy(() => {
        const cache = { keys, values, lengths, positionIds, fresh: [], masks: new Map() } as Parameters<
          GPT['forwardExternal']
        >[1];
        const hidden = model.forwardExternal(tokenIds, cache); // [batch, length, nEmbd]
        // A row's last token may stand before padding: pick it by a product with a one-hot row.
        const rows = all || length === 1 ? hidden : pickRows(hidden, asked);
        const logits = tf.reshape(model.head(tf.reshape(rows, [-1, nEmbd]) as tf.Tensor2D), [
          batch,
          -1,
          vocabSize,
        ]);
        return {
          logits: logits as tf.Tensor3D,
          keys: layers.map((layer) => cache.fresh[layer]!.key),
          values: layers.map((layer) => cache.fresh[layer]!.value),
        } as unknown as tf.TensorContainerObject;
      }) as unknown as StepOutput;
    return capture(fn, {
      weights,
      inputs: [
        int(batch, length),
        int(batch, length),
        int(batch),
        int(batch, 1),
        ...layers.map(() => ({ shape: [batch, nKvHead, headDim, capacity] })),
        ...layers.map(() => ({ shape: [batch, nKvHead, capacity, headDim] })),
      ],
    });
  }

  dispose(): void {
    for (const step of this.#steps.values()) step.dispose();
    this.#steps.clear();
  }
}

/** Row `asked[b]` of each `hidden[b]`: `[batch, 1, nEmbd]` */
function pickRows(hidden: tf.Tensor3D, asked: tf.Tensor2D): tf.Tensor3D {
  const [batch, length] = hidden.shape;
  const oneHot = tf.cast(
    tf.equal(asked, tf.reshape(tf.range(0, length, 1, 'int32'), [1, length])),
    'float32',
  );
  return tf.matMul(tf.reshape(oneHot, [batch, 1, length]), hidden) as tf.Tensor3D;
}

/** Lengths that are compiled; a longer text is read in parts, a shorter one is padded. */
const lengths = [1, 8, 64, 256];

/**
 * Decodes with captured steps. Keys and values stay in plain arrays that the steps read where they are; new ones are
 * written into place, so nothing is copied from token to token.
 */
export class CapturedSession implements DecodeSession {
  readonly #programs: DecodePrograms;
  readonly #model: GPT;
  readonly #capacity: number;
  readonly #weights: WeightStorage;
  /** For each layer `[rows, nKvHead, headDim, capacity]` */
  #keys: Float32Array[] = [];
  /** For each layer `[rows, nKvHead, capacity, headDim]` */
  #values: Float32Array[] = [];
  #lengths: number[] = [];
  /** Rows of the arrays; the first `#lengths.length` are in use. */
  #batch = 0;

  constructor(model: GPT, programs: DecodePrograms, capacity: number, weights: WeightStorage = 'float32') {
    this.#model = model;
    this.#programs = programs;
    this.#capacity = capacity;
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
    const longest = Math.max(...tokens.map((row) => row.length));
    for (let start = 0; start < longest; ) {
      const length = partLength(longest - start);
      const part = tokens.map((row) => row.slice(start, start + length));
      const logits = await this.#run(part, length, all);
      logits.forEach((rows, row) => {
        if (all) results[row]!.push(...rows);
        else if (part[row]!.length > 0) results[row] = rows;
      });
      start += length;
    }
    return results;
  }

  #allocate(rows: number): void {
    const { nLayer, nKvHead, nEmbd, nHead } = this.#model.config;
    const size = rows * nKvHead * (nEmbd / nHead) * this.#capacity;
    this.#batch = rows;
    this.#lengths = new Array<number>(rows).fill(0);
    this.#keys = Array.from({ length: nLayer }, () => new Float32Array(size));
    this.#values = Array.from({ length: nLayer }, () => new Float32Array(size));
  }

  /** One compiled step: `part[row]` has up to `length` tokens. */
  async #run(part: readonly (readonly number[])[], length: number, all: boolean): Promise<Float32Array[][]> {
    const batch = this.#batch;
    const tokenIds = new Int32Array(batch * length);
    const positionIds = new Int32Array(batch * length);
    const filled = new Int32Array(batch);
    const asked = new Int32Array(batch);
    const last = this.#model.config.contextLength - 1;
    for (let row = 0; row < batch; row++) {
      const ids = part[row] ?? [];
      filled[row] = this.#lengths[row] ?? 0;
      asked[row] = Math.max(0, ids.length - 1);
      tokenIds.set(ids, row * length);
      for (let i = 0; i < length; i++) positionIds[row * length + i] = Math.min(filled[row]! + i, last);
    }
    const step = this.#programs.step(batch, length, this.#capacity, all, this.#weights);
    const output = await step(tokenIds, positionIds, filled, asked, this.#keys, this.#values);
    try {
      for (let layer = 0; layer < this.#keys.length; layer++) {
        this.#store(layer, output.keys[layer]!, output.values[layer]!, part, length);
      }
      const logits = output.logits.dataSync() as Float32Array;
      const { vocabSize } = this.#model.config;
      const positions = output.logits.shape[1];
      return part.map((ids, row) =>
        Array.from({ length: all ? ids.length : 1 }, (_, i) => {
          const start = (row * positions + i) * vocabSize;
          return logits.subarray(start, start + vocabSize);
        }),
      );
    } finally {
      tf.dispose([output.logits, ...output.keys, ...output.values]);
      part.forEach((ids, row) => {
        this.#lengths[row] = this.#lengths[row]! + ids.length;
      });
    }
  }

  /** Writes a layer's new keys and values behind those of each row. */
  #store(
    layer: number,
    key: tf.Tensor4D,
    value: tf.Tensor4D,
    part: readonly (readonly number[])[],
    length: number,
  ): void {
    const capacity = this.#capacity;
    const [, heads, , headDim] = key.shape;
    const [newKeys, newValues] = [key.dataSync() as Float32Array, value.dataSync() as Float32Array];
    const [keys, values] = [this.#keys[layer]!, this.#values[layer]!];
    part.forEach((ids, row) => {
      const first = this.#lengths[row]!;
      for (let head = 0; head < heads; head++) {
        const plane = row * heads + head;
        const from = plane * length * headDim;
        values.set(
          newValues.subarray(from, from + ids.length * headDim),
          (plane * capacity + first) * headDim,
        );
        for (let i = 0; i < ids.length; i++) {
          const source = from + i * headDim;
          let target = plane * headDim * capacity + first + i;
          for (let d = 0; d < headDim; d++, target += capacity) keys[target] = newKeys[source + d]!;
        }
      }
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
    const copy = new CapturedSession(this.#model, this.#programs, this.#capacity, this.#weights);
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
    this.#keys = [];
    this.#values = [];
    this.#batch = 0;
  }
}

/** The smallest compiled length that holds `count` tokens, or the largest. */
function partLength(count: number): number {
  return lengths.find((length) => length >= count) ?? lengths.at(-1)!;
}
