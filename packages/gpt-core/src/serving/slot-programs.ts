import { type CapturedFunction, capture } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { ExternalCache } from '../model/external-attention.js';
import type { GPT } from '../model/gpt.js';

interface StepOutput {
  /** `[batch, asked, vocabSize]`, asked = length or 1 */
  readonly logits: tf.Tensor3D;
  /** New keys of every layer, then new values: `[2 * nLayer, batch, nKvHead, length, headDim]` */
  readonly fresh: tf.Tensor;
}

export type SlotStep = CapturedFunction<
  [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor2D, tf.Tensor4D[], tf.Tensor4D[]],
  StepOutput
>;

/**
 * Compiled steps over some rows of a slot cache, by rows and length. Logits of a row do not depend on the other rows,
 * to the last bit, as long as there is more than one: matrix products of a single row sum in another order.
 */
export class SlotPrograms {
  readonly #model: GPT;
  readonly #capacity: number;
  readonly #steps = new Map<string, SlotStep>();
  #executor: 'onnx' | 'auto' = 'onnx';

  constructor(model: GPT, capacity: number) {
    this.#model = model;
    this.#capacity = capacity;
  }

  /** The step for `length` new tokens of `batch` rows; compiled when it is first asked for. */
  async step(batch: number, length: number, all: boolean): Promise<SlotStep> {
    const key = `${batch} ${length} ${all}`;
    let step = this.#steps.get(key);
    if (!step) {
      step = await this.#compiled(batch, length, all);
      this.#steps.set(key, step);
    }
    return step;
  }

  async #compiled(batch: number, length: number, all: boolean): Promise<SlotStep> {
    if (this.#executor === 'onnx') {
      const step = this.#capture(batch, length, all);
      try {
        await step.prepare(...this.#emptyArguments(batch, length));
        return step;
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'compute/executor') throw error;
        step.dispose();
        this.#executor = 'auto';
      }
    }
    return this.#capture(batch, length, all);
  }

  #emptyArguments(batch: number, length: number): Parameters<SlotStep> {
    const { nLayer, nEmbd, nHead, nKvHead } = this.#model.config;
    const size = batch * nKvHead * (nEmbd / nHead) * this.#capacity;
    const cache = Array.from({ length: nLayer }, () => new Float32Array(size));
    const ids = new Int32Array(batch * length);
    return [ids, ids, new Int32Array(batch), new Int32Array(batch), cache, cache] as never;
  }

  #capture(batch: number, length: number, all: boolean): SlotStep {
    const model = this.#model;
    const capacity = this.#capacity;
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
        const cache: ExternalCache = { keys, values, lengths, positionIds, fresh: [], masks: new Map() };
        const hidden = model.forwardExternal(tokenIds, cache); // [batch, length, nEmbd]
        const rows = all || length === 1 ? hidden : pickRows(hidden, asked);
        const logits = model.head(tf.reshape(rows, [-1, nEmbd]) as tf.Tensor2D);
        const fresh = [...cache.fresh.map(({ key }) => key), ...cache.fresh.map(({ value }) => value)];
        return {
          logits: tf.reshape(logits, [batch, -1, vocabSize]),
          fresh: tf.stack(fresh),
        } as unknown as tf.TensorContainerObject;
      }) as unknown as StepOutput;
    return capture(fn, {
      executor: this.#executor,
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
  const places = tf.reshape(tf.range(0, length, 1, 'int32'), [1, length]);
  const oneHot = tf.cast(tf.equal(asked, places), 'float32');
  return tf.matMul(tf.reshape(oneHot, [batch, 1, length]), hidden) as tf.Tensor3D;
}
