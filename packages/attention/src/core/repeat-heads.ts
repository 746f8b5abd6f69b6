import * as tf from '@tensorflow/tfjs-core';

/**
 * Gives every query head its own copy of its key head: `[batch, keyHeads, …]` → `[batch, heads, …]`. For tiled
 * patterns, where the copies are small beside the scores; the gradient sums over the copies.
 */
export function repeatHeads(x: tf.Tensor4D, heads: number): tf.Tensor4D {
  const [batch, keyHeads, length, features] = x.shape;
  if (keyHeads === heads) return x;
  const group = heads / keyHeads;
  const merged = tf.reshape(x, [batch * keyHeads, 1, length * features]);
  const copies = tf.broadcastTo(merged, [batch * keyHeads, group, length * features]);
  return tf.reshape(copies, [batch, heads, length, features]) as tf.Tensor4D;
}
