// TEMPORARY composites until the fused ops of @gpt-lineage/compute land.
import * as tf from '@tensorflow/tfjs-core';

export function layerNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon = 1e-5): tf.Tensor {
  const mean = tf.mean(x, -1, true);
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon))), gamma), beta);
}
export function gelu(x: tf.Tensor, approximate: 'tanh' | 'none' = 'none'): tf.Tensor {
  if (approximate === 'none') return tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))));
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.pow(x, 3))));
  return tf.mul(tf.mul(x, 0.5), tf.add(1, tf.tanh(inner)));
}
export function quickGelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.sigmoid(tf.mul(1.702, x)));
}
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  const shape = x.shape;
  const flat = tf.reshape(x, [-1, shape[shape.length - 1]!]);
  const y = tf.matMul(flat as tf.Tensor2D, weight as tf.Tensor2D);
  return tf.reshape(bias ? tf.add(y, bias) : y, [...shape.slice(0, -1), weight.shape[1]!]);
}
export function embedding(table: tf.Tensor, ids: tf.Tensor): tf.Tensor {
  return tf.gather(table, ids as tf.Tensor1D);
}
export function softmaxCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  options: { ignoreIndex?: number } = {},
): tf.Scalar {
  const { ignoreIndex = -100 } = options;
  const vocab = logits.shape[logits.shape.length - 1]!;
  const flat = tf.reshape(logits, [-1, vocab]);
  const ids = tf.reshape(labels, [-1]);
  const kept = tf.cast(tf.notEqual(ids, ignoreIndex), 'float32');
  const safe = tf.cast(tf.mul(tf.cast(ids, 'float32'), kept), 'int32') as tf.Tensor1D;
  const logProbs = tf.logSoftmax(flat);
  const picked = tf.sum(tf.mul(tf.oneHot(safe, vocab), logProbs), -1);
  return tf.neg(tf.div(tf.sum(tf.mul(picked, kept)), tf.maximum(tf.sum(kept), 1))) as tf.Scalar;
}
export function dropout(x: tf.Tensor, rate: number, seed: number | tf.Tensor): tf.Tensor {
  return tf.dropout(x, rate, undefined, typeof seed === 'number' ? seed : 0);
}
