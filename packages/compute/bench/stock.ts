import * as tf from '@tensorflow/tfjs-core';
import type { GptShape, GptWeights } from './gpt.js';

/** The model of gpt.ts as one writes it with TensorFlow.js alone: public ops, composed, no custom gradients. */
export function stockLoss(w: GptWeights, shape: GptShape, tokens: tf.Tensor, targets: tf.Tensor): tf.Scalar {
  const { batch, length, nEmbd: d, nHead, vocabSize } = shape;
  const headDim = d / nHead;
  const rows = batch * length;
  const mask = tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([length, length]), -1, 0)), -1e9);
  const position = tf.slice(w.wpe as tf.Tensor, [0, 0], [length, d]);
  let x = tf.reshape(tf.add(tf.gather(w.wte, tf.cast(tokens, 'int32')), position), [rows, d]) as tf.Tensor2D;
  for (const block of w.blocks) {
    const normed = layerNorm(x, block.g1, block.b1);
    const qkv = dense(normed, block.qkv, block.qkvBias);
    const [q, k, v] = tf
      .split(qkv, 3, 1)
      .map((part) => tf.transpose(tf.reshape(part, [batch, length, nHead, headDim]), [0, 2, 1, 3])) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(headDim));
    const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)) as tf.Tensor4D, v);
    const merged = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rows, d]) as tf.Tensor2D;
    x = tf.add(x, dense(merged, block.out, block.outBias));
    const inner = gelu(dense(layerNorm(x, block.g2, block.b2), block.up, block.upBias));
    x = tf.add(x, dense(inner, block.down, block.downBias));
  }
  const logits = tf.matMul(layerNorm(x, w.g, w.b), w.wte as unknown as tf.Tensor2D, false, true);
  return tf.losses.softmaxCrossEntropy(
    tf.oneHot(tf.reshape(targets, [-1]) as tf.Tensor1D, vocabSize),
    logits,
  );
}

function dense(x: tf.Tensor2D, weight: tf.Variable, bias: tf.Variable): tf.Tensor2D {
  return tf.add(tf.matMul(x, weight as unknown as tf.Tensor2D), bias);
}

function layerNorm(x: tf.Tensor2D, gamma: tf.Variable, beta: tf.Variable): tf.Tensor2D {
  const { mean, variance } = tf.moments(x, -1, true);
  const normed = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normed, gamma), beta);
}

function gelu(x: tf.Tensor2D): tf.Tensor2D {
  const inner = tf.mul(tf.add(x, tf.mul(tf.pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
}
