import { softmaxCrossEntropy } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Log-probability of each token: `[…, vocabSize]` logits and `[…]` int32 ids → `[…]`, in nats. Differentiable, and
 * without a one-hot row per token.
 */
export function tokenLogProbs(logits: tf.Tensor, tokenIds: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.neg(softmaxCrossEntropy(logits, tokenIds, { reduction: 'none' })));
}

/**
 * Sum of a completion's token log-probabilities. Position t of `logits` predicts label t + 1; labels of −100 (prompt,
 * padding) do not count.
 *
 * @param logits `[batch, length, vocabSize]`
 * @param labels `[batch, length]` int32
 * @returns `[batch]`, nats
 */
export function sequenceLogProbs(logits: tf.Tensor3D, labels: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const [batch, length, vocabSize] = logits.shape;
    const targets = tf.slice(labels, [0, 1], [batch, length - 1]); // [batch, length − 1]
    const predictions = tf.slice(logits, [0, 0, 0], [batch, length - 1, vocabSize]);
    const counted = tf.cast(tf.notEqual(targets, -100), 'float32');
    const safe = tf.cast(tf.maximum(targets, 0), 'int32');
    return tf.sum(tf.mul(tokenLogProbs(predictions, safe), counted), 1) as tf.Tensor1D;
  });
}
