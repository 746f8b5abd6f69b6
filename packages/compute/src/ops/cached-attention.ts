import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';

interface CachedAttentionAttrs {
  readonly nHead: number;
  readonly nKvHead: number;
  readonly scale: number;
  readonly window: number;
}

defineKernel<Record<string, tf.Tensor>, CachedAttentionAttrs>({
  name: 'CachedAttention',
  composite(inputs, { nHead, nKvHead, scale, window }) {
    const { query, key, value, keys, values, last, slots, bias } = inputs as Record<string, tf.Tensor>;
    const [batch, length] = query!.shape as [number, number];
    const [, , capacity, headDim] = keys!.shape as [number, number, number, number];
    const group = nHead / nKvHead;
    const first = tf.sub(last!, length - 1);
    const positions = tf.add(tf.reshape(first, [batch, 1]), tf.range(0, length, 1, 'int32')); // [batch, length]
    const places = tf.range(0, capacity, 1, 'int32');
    const hot = tf.cast(tf.equal(tf.reshape(positions, [batch, 1, length, 1]), places), 'float32');
    const covered = tf.reshape(tf.sum(hot, 2), [batch, 1, capacity, 1]);
    // [batch, nKvHead, capacity, headDim], the new rows in their slots
    const write = (old: tf.Tensor, fresh: tf.Tensor) => {
      const heads = tf.transpose(tf.reshape(fresh, [batch, length, nKvHead, headDim]), [0, 2, 1, 3]);
      const placed = tf.matMul(tf.transpose(hot, [0, 1, 3, 2]), heads);
      return tf.add(tf.mul(old, tf.sub(1, covered)), placed);
    };
    const allKeys = write(keys!, key!);
    const allValues = write(values!, value!);
    // Heads that share keys stand below each other: [batch, nKvHead, group · length, headDim]
    const split = tf.transpose(tf.reshape(query!, [batch, length, nHead, headDim]), [0, 2, 1, 3]);
    const grouped = tf.reshape(split, [batch, nKvHead, group * length, headDim]);
    let scores = tf.reshape(tf.matMul(grouped, allKeys, false, true), [batch, nHead, length, capacity]);
    scores = tf.mul(scores, scale);
    if (bias !== undefined) {
      const rest = capacity - slots!.size;
      scores = tf.add(
        scores,
        tf.pad(bias, [
          [0, 0],
          [0, 0],
          [0, 0],
          [0, rest],
        ]),
      );
    }
    const distance = tf.sub(tf.reshape(positions, [batch, 1, length, 1]), places);
    let visible = tf.greaterEqual(distance, 0);
    if (window > 0) visible = tf.logicalAnd(visible, tf.less(distance, window));
    const hidden = tf.mul(tf.sub(1, tf.cast(visible, 'float32')), -1e30);
    const weights = tf.reshape(tf.softmax(tf.add(scores, hidden)), [
      batch,
      nKvHead,
      group * length,
      capacity,
    ]);
    const mixed = tf.reshape(tf.matMul(weights, allValues), [batch, nHead, length, headDim]);
    const context = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), query!.shape);
    return [context, allKeys, allValues];
  },
});

export interface CachedAttentionInput {
  /** `[batch, length, nHead · headDim]` */
  readonly query: tf.Tensor3D;
  /** Of the new tokens: `[batch, length, nKvHead · headDim]` */
  readonly key: tf.Tensor3D;
  readonly value: tf.Tensor3D;
  /** Of all tokens so far, slot = position: `[batch, nKvHead, capacity, headDim]` */
  readonly keys: tf.Tensor4D;
  readonly values: tf.Tensor4D;
  /** `[batch]` int32: the slot of each row's last new token; its first one goes to `last − length + 1`. */
  readonly last: tf.Tensor1D;
  /** `[total]` int32: 0, 1, …, the largest of `last`. */
  readonly slots: tf.Tensor1D;
  /** Added to the scores: `[batch or 1, nHead or 1, length, total]` */
  readonly bias?: tf.Tensor4D | undefined;
}

export interface CachedAttentionOptions {
  readonly nHead: number;
  /** Factor of the scores. Default `1 / √headDim`. */
  readonly scale?: number;
  /** A token sees itself and the `window − 1` before it. Default: all before it. */
  readonly window?: number;
}

export interface CachedAttentionResult {
  /** `[batch, length, nHead · headDim]` */
  readonly context: tf.Tensor3D;
  /** The cache with the new keys and values in their slots */
  readonly keys: tf.Tensor4D;
  readonly values: tf.Tensor4D;
}

/**
 * Causal attention of new tokens to a preallocated cache that takes them in. Inference only: it has no gradient. In a
 * captured function on ONNX Runtime it is one operator; there `headDim` must be a multiple of 8 and, with more than one
 * row, `length` 1 or the cache empty.
 *
 * @throws {InvalidArgumentError} when shapes do not fit
 */
export function cachedAttention(
  input: CachedAttentionInput,
  options: CachedAttentionOptions,
): CachedAttentionResult {
  const { query, keys, values, key, value, last } = input;
  const { nHead } = options;
  const [batch, nKvHead, , headDim] = keys.shape;
  const [rows, length] = query.shape;
  const check = (name: string, tensor: tf.Tensor, shape: readonly number[]) => {
    if (tensor.shape.length !== shape.length || shape.some((size, axis) => tensor.shape[axis] !== size)) {
      throw new InvalidArgumentError(name, `of shape [${shape}]`, tensor);
    }
  };
  if (!Number.isInteger(nHead / nKvHead) || nHead < nKvHead) {
    throw new InvalidArgumentError('nHead', `a multiple of the ${nKvHead} heads of the cache`, nHead);
  }
  check('query', query, [batch, length, nHead * headDim]);
  check('key', key, [rows, length, nKvHead * headDim]);
  check('value', value, [rows, length, nKvHead * headDim]);
  check('values', values, keys.shape);
  check('last', last, [batch]);
  const { bias, slots } = input;
  const { scale = 1 / Math.sqrt(headDim), window = 0 } = options;
  const [context, allKeys, allValues] = runKernel<tf.Tensor[]>(
    'CachedAttention',
    { query, key, value, keys, values, last, slots, bias },
    { nHead, nKvHead, scale, window },
  );
  return {
    context: context as tf.Tensor3D,
    keys: allKeys as tf.Tensor4D,
    values: allValues as tf.Tensor4D,
  };
}
