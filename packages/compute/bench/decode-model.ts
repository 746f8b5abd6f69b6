import * as tf from '@tensorflow/tfjs-core';
import { embedding, gelu, layerNorm, linear } from '../src/index.js';
import type { GptShape, GptWeights } from './gpt.js';

/** Keys and values of every layer so far, `[heads, contextLength, headDim]`. */
export interface Cache {
  readonly keys: readonly tf.Variable[];
  readonly values: readonly tf.Variable[];
}

export function createCache(shape: GptShape, context: number): Cache {
  const make = () =>
    Array.from({ length: shape.nLayer }, () =>
      tf.tidy(() => tf.variable(tf.zeros([shape.nHead, context, shape.nEmbd / shape.nHead]))),
    );
  return { keys: make(), values: make() };
}

/** Logits `[vocabSize]` after one more token; the cache takes its key and value at `position`. */
export function decodeStep(
  w: GptWeights,
  cache: Cache,
  shape: GptShape,
  token: tf.Tensor,
  position: tf.Tensor,
): tf.Tensor {
  const { nEmbd: d, nHead } = shape;
  const headDim = d / nHead;
  const context = cache.keys[0]!.shape[1]!;
  const place = tf.reshape(position, [1]);
  let x = tf.add(embedding(w.wte, tf.reshape(token, [1])), embedding(w.wpe, place)); // [1, nEmbd]
  const heads = tf.reshape(tf.range(0, nHead, 1, 'int32'), [nHead, 1]);
  const target = tf.concat([heads, tf.tile(tf.reshape(position, [1, 1]), [nHead, 1])], 1); // [heads, 2]
  const past = tf.lessEqual(tf.range(0, context, 1, 'int32'), position);
  const mask = tf.where(past, tf.zeros([context]), tf.fill([context], -1e30));
  w.blocks.forEach((block, layer) => {
    const qkv = linear(layerNorm(x, block.g1, block.b1), block.qkv, block.qkvBias);
    const [q, k, v] = tf.split(qkv, 3, 1).map((part) => tf.reshape(part, [nHead, headDim])) as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor2D,
    ];
    const keys = tf.tensorScatterUpdate(cache.keys[layer]! as tf.Tensor, target, k);
    const values = tf.tensorScatterUpdate(cache.values[layer]! as tf.Tensor, target, v);
    cache.keys[layer]!.assign(keys);
    cache.values[layer]!.assign(values);
    const query = tf.reshape(tf.mul(q, 1 / Math.sqrt(headDim)), [nHead, 1, headDim]);
    const scores = tf.matMul(query, keys as tf.Tensor3D, false, true); // [heads, 1, context]
    const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)) as tf.Tensor3D, values as tf.Tensor3D);
    x = tf.add(x, linear(tf.reshape(mixed, [1, d]), block.out, block.outBias));
    const inner = gelu(linear(layerNorm(x, block.g2, block.b2), block.up, block.upBias));
    x = tf.add(x, linear(inner, block.down, block.downBias));
  });
  return tf.reshape(linear(layerNorm(x, w.g, w.b), w.wte, null, { transposeWeight: true }), [-1]);
}
