import * as tf from '@tensorflow/tfjs-core';
import { cachedAttention, embedding, gelu, layerNorm, linear } from '../src/index.js';
import type { GptShape, GptWeights } from './gpt.js';

/** Keys and values of every layer so far, `[1, heads, contextLength, headDim]`. */
export interface Cache {
  readonly keys: readonly tf.Variable[];
  readonly values: readonly tf.Variable[];
}

export function createCache(shape: GptShape, context: number): Cache {
  const make = () =>
    Array.from({ length: shape.nLayer }, () =>
      tf.tidy(() => tf.variable(tf.zeros([1, shape.nHead, context, shape.nEmbd / shape.nHead]))),
    );
  return { keys: make(), values: make() };
}

/** Logits `[vocabSize]` after one more token; the cache takes its key and value at `position`, the last of `slots`. */
export function decodeStep(
  w: GptWeights,
  cache: Cache,
  { nEmbd: d, nHead }: GptShape,
  token: tf.Tensor,
  position: tf.Tensor,
  slots: tf.Tensor1D,
): tf.Tensor {
  const last = tf.reshape(position, [1]) as tf.Tensor1D;
  let x = tf.add(embedding(w.wte, tf.reshape(token, [1])), embedding(w.wpe, last)); // [1, nEmbd]
  w.blocks.forEach((block, layer) => {
    const qkv = linear(layerNorm(x, block.g1, block.b1), block.qkv, block.qkvBias);
    const [query, key, value] = tf.split(qkv, 3, 1).map((part) => tf.reshape(part, [1, 1, d])) as [
      tf.Tensor3D,
      tf.Tensor3D,
      tf.Tensor3D,
    ];
    const [keys, values] = [cache.keys[layer]!, cache.values[layer]!];
    const past = { keys: keys as tf.Tensor as tf.Tensor4D, values: values as tf.Tensor as tf.Tensor4D };
    const attended = cachedAttention({ query, key, value, ...past, last, slots }, { nHead });
    keys.assign(attended.keys);
    values.assign(attended.values);
    x = tf.add(x, linear(tf.reshape(attended.context, [1, d]), block.out, block.outBias));
    const inner = gelu(linear(layerNorm(x, block.g2, block.b2), block.up, block.upBias));
    x = tf.add(x, linear(inner, block.down, block.downBias));
  });
  return tf.reshape(linear(layerNorm(x, w.g, w.b), w.wte, null, { transposeWeight: true }), [-1]);
}
