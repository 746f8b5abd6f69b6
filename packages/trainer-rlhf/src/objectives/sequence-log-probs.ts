import * as tf from '@tensorflow/tfjs-core';

/**
 * Log-probability of each token: `[…, vocabSize]` logits and `[…]` ids → `[…]`, in nats. A differentiable
 * selective log-softmax: `logits[id] − logsumexp(logits)`.
 */
export function tokenLogProbs(logits: tf.Tensor, tokenIds: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const vocabSize = logits.shape[logits.rank - 1]!;
    // A product with the one-hot row keeps the gradient a plain multiplication on every backend.
    const chosen = tf.sum(
      tf.mul(logits, tf.oneHot(tf.cast(tokenIds, 'int32'), vocabSize, 1, 0, 'float32')),
      -1,
    );
    return tf.sub(chosen, tf.logSumExp(logits, -1));
  });
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
