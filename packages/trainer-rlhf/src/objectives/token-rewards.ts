import * as tf from '@tensorflow/tfjs-core';
import { type KLEstimator, klEstimate } from './kl.js';
import { lastTokenMask } from './masked.js';

/**
 * The reward PPO sees (InstructGPT eq. 2): `−β · KL` on every completion token, plus the score of the whole
 * completion on its last token.
 *
 * @param input `logProbs`, `referenceLogProbs`, `mask` `[batch, length]`; `scores` `[batch]`
 * @param options `klCoefficient` β, a number or scalar, default 0.02; `estimator`, default `'k1'`
 * @returns `[batch, length]`, 0 on padding
 */
export function tokenRewards(
  input: {
    logProbs: tf.Tensor2D;
    referenceLogProbs: tf.Tensor2D;
    scores: tf.Tensor1D;
    mask: tf.Tensor2D;
  },
  {
    klCoefficient = 0.02,
    estimator = 'k1',
  }: { klCoefficient?: number | tf.Scalar; estimator?: KLEstimator } = {},
): tf.Tensor2D {
  return tf.tidy(() => {
    const kl = klEstimate(input.logProbs, input.referenceLogProbs, estimator);
    const penalty = tf.neg(tf.mul(kl, klCoefficient));
    const atEnd = tf.mul(lastTokenMask(input.mask), tf.expandDims(input.scores, 1)); // [batch, length]
    return tf.add(tf.mul(penalty, input.mask), atEnd) as tf.Tensor2D;
  });
}
