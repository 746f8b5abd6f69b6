import { type CapturedFunction, capture, executorNames } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { SlotCache } from '../model/external-attention.js';
import type { GPT } from '../model/gpt.js';
import { CacheMemory } from './cache-memory.js';

/**
 * How weights are stored while decoding: packed, in `float32` or (trading exactness for memory bandwidth) in less; or
 * `live`, read where they are.
 */
export type WeightStorage = 'float32' | 'float16' | 'int8' | 'int4' | 'live';

interface StepOutput {
  /** `[asked, vocabSize]` */
  readonly logits: tf.Tensor2D;
}

/**
 * Arguments: token ids, position ids, last slots, all slots, asked rows, keys and values of each layer. New keys and
 * values are written into the latter two.
 */
export type DecodeStep = CapturedFunction<
  [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor4D[], tf.Tensor4D[]],
  StepOutput
>;

/** The compiled step of one model: one for every batch, length and capacity; another for each storage of weights. */
export class DecodePrograms {
  readonly #model: GPT;
  readonly #steps = new Map<WeightStorage, DecodeStep>();
  #adapters: readonly unknown[] = [];
  /** Of the sessions' keys and values. */
  readonly memory = new CacheMemory();

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

  step(weights: WeightStorage): DecodeStep {
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

  #capture(weights: WeightStorage): DecodeStep {
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
        const cache: SlotCache = { keys, values, last, slots, positionIds, extended: [], biases: new Map() };
        const hidden = model.forwardExternal(tokenIds, cache, asked); // [1, asked, nEmbd]
        return {
          logits: model.head(tf.reshape(hidden, [-1, nEmbd])),
          keys: cache.extended.map((layer) => layer.keys),
          values: cache.extended.map((layer) => layer.values),
        } as unknown as tf.TensorContainerObject;
      }) as unknown as StepOutput;
    const int = (...shape: string[]) => ({ shape, dtype: 'int32' as const });
    const layer = { shape: ['batch', nKvHead, 'capacity', slotWidth(model)] };
    return capture(fn, {
      executor: 'onnx',
      weights,
      inPlace: { keys: 5, values: 6 },
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
    this.memory.clear();
    for (const step of this.#steps.values()) step.dispose();
    this.#steps.clear();
  }
}

/** Numbers that a head keeps for a token: the runtime takes them by eights. */
export function slotWidth({ config }: GPT): number {
  return 8 * Math.ceil(config.nEmbd / config.nHead / 8);
}
