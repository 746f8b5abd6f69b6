import { type CapturedFunction, capture, executorNames } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { SlotCache } from '../model/external-attention.js';
import type { GPT } from '../model/gpt.js';
import type { DecodeSession } from './session.js';
import { writeFresh } from './write-fresh.js';

/** How weights are stored while decoding; anything but `float32` trades exactness for memory bandwidth. */
export type WeightStorage = 'float32' | 'float16' | 'int8' | 'int4';

interface StepOutput {
  /** `[asked, vocabSize]` */
  readonly logits: tf.Tensor2D;
  /** New keys of every layer, then new values: `[2 * nLayer, batch, length, nKvHead * slotWidth]` */
  readonly fresh: tf.Tensor4D;
}

/** Arguments: token ids, position ids, last slots, all slots, asked rows, keys and values of each layer. */
type Step = CapturedFunction<
  [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor4D[], tf.Tensor4D[]],
  StepOutput
>;

/** The compiled step of one model: one for every batch, length and capacity; another for each storage of weights. */
export class DecodePrograms {
  readonly #model: GPT;
  readonly #steps = new Map<WeightStorage, Step>();
  #adapters: readonly unknown[] = [];

  constructor(model: GPT) {
    this.#model = model;
  }

  /** Whether ONNX Runtime is there, and the model is one that can be captured. */
  get available(): boolean {
    const { layerPattern, positions } = this.#model.config;
    const simple = positions === 'learned' || positions === 'none' || positions === 'rotary';
    const byScore = layerPattern.some(({ type }) => type === 'topk');
    const byHead = layerPattern.some((layer) => 'heads' in layer && layer.heads === 'alternating');
    return simple && !byScore && !byHead && executorNames().includes('onnx');
  }

  step(weights: WeightStorage): Step {
    // A captured step holds the adapters that it saw.
    const adapters = [...this.#model.adapters].flat();
    if (
      adapters.length !== this.#adapters.length ||
      adapters.some((entry, i) => entry !== this.#adapters[i])
    ) {
      this.dispose();
      this.#adapters = adapters;
    }
    let step = this.#steps.get(weights);
    this.#steps.delete(weights);
    step ??= this.#capture(weights);
    this.#steps.set(weights, step);
    // Each holds a copy of the weights.
    if (this.#steps.size > 2) {
      const [oldest, unused] = this.#steps.entries().next().value!;
      this.#steps.delete(oldest);
      unused.dispose();
    }
    return step;
  }

  #capture(weights: WeightStorage): Step {
    const model = this.#model;
    const { nLayer, nEmbd, nKvHead } = model.config;
    const fn = (
      tokenIds: tf.Tensor2D,
      positionIds: tf.Tensor2D,
      last: tf.Tensor1D,
      slots: tf.Tensor1D,
      asked: tf.Tensor1D,
      keys: tf.Tensor4D[],
      values: tf.Tensor4D[],
    ): StepOutput =>
      tf.tidy(() => {
        const cache: SlotCache = { keys, values, last, slots, positionIds, fresh: [], biases: new Map() };
        const hidden = model.forwardExternal(tokenIds, cache); // [batch, length, nEmbd]
        const rows = tf.gather(tf.reshape(hidden, [-1, nEmbd]), asked) as tf.Tensor2D;
        return {
          logits: model.head(rows),
          fresh: tf.stack([...cache.fresh.map(({ key }) => key), ...cache.fresh.map(({ value }) => value)]),
        } as unknown as tf.TensorContainerObject;
      }) as unknown as StepOutput;
    const int = (...shape: string[]) => ({ shape, dtype: 'int32' as const });
    const layer = { shape: ['batch', nKvHead, 'capacity', slotWidth(model)] };
    return capture(fn, {
      executor: 'onnx',
      weights,
      inputs: [
        int('batch', 'length'),
        int('batch', 'length'),
        int('batch'),
        int('total'),
        int('asked'),
        ...new Array<typeof layer>(2 * nLayer).fill(layer),
      ],
    });
  }

  dispose(): void {
    for (const step of this.#steps.values()) step.dispose();
    this.#steps.clear();
  }
}

/** Numbers that a head keeps for a token: the runtime takes them by eights. */
export function slotWidth({ config }: GPT): number {
  return 8 * Math.ceil(config.nEmbd / config.nHead / 8);
}

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
    this.#keys = Array.from({ length: nLayer }, () => new Float32Array(rows * this.#rowSize));
    this.#values = Array.from({ length: nLayer }, () => new Float32Array(rows * this.#rowSize));
  }

  get #rowSize(): number {
    return this.#model.config.nKvHead * slotWidth(this.#model) * this.#capacity;
  }

  /**
   * One step over the rows from `first` on. A row with fewer tokens than the longest is padded behind its end, where its
   * next token will overwrite the padding.
   */
  async #run(first: number, parts: readonly (readonly number[])[], all: boolean): Promise<Float32Array[][]> {
    const batch = parts.length;
    const length = Math.max(...parts.map((ids) => ids.length));
    const tokenIds = new Int32Array(batch * length);
    const positionIds = new Int32Array(batch * length);
    const last = new Int32Array(batch);
    const asked: number[] = [];
    const end = this.#model.config.contextLength - 1;
    parts.forEach((ids, row) => {
      const start = this.#lengths[first + row]!;
      last[row] = start + length - 1;
      tokenIds.set(ids, row * length);
      for (let i = 0; i < length; i++) positionIds[row * length + i] = Math.min(start + i, end);
      for (let i = all ? 0 : Math.max(0, ids.length - 1); i < ids.length; i++) asked.push(row * length + i);
    });
    const slots = Int32Array.from({ length: Math.max(...last) + 1 }, (_, slot) => slot);
    const own = (cache: Float32Array) =>
      cache.subarray(first * this.#rowSize, (first + batch) * this.#rowSize);
    const [keys, values] = [this.#keys.map(own), this.#values.map(own)];
    const step = this.#programs.step(this.#weights);
    const output = await step(tokenIds, positionIds, last, slots, Int32Array.from(asked), keys, values);
    try {
      writeFresh(output.fresh.dataSync() as Float32Array, [...keys, ...values], {
        starts: this.#lengths.slice(first, first + batch),
        counts: parts.map((ids) => ids.length),
        length,
        heads: this.#model.config.nKvHead,
        width: slotWidth(this.#model),
        capacity: this.#capacity,
      });
      parts.forEach((ids, row) => {
        this.#lengths[first + row]! += ids.length;
      });
      const logits = output.logits.dataSync() as Float32Array;
      const { vocabSize } = this.#model.config;
      let at = 0;
      return parts.map((ids) =>
        Array.from({ length: all ? ids.length : Math.min(1, ids.length) }, () => {
          at += vocabSize;
          return logits.subarray(at - vocabSize, at);
        }),
      );
    } finally {
      tf.dispose([output.logits, output.fresh]);
    }
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
