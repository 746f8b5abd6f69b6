import * as tf from '@tensorflow/tfjs-core';

/** Mean of `values` where `mask` is 1: `sum(x m) / sum(m)`; 0 when nothing is unmasked. Both `[batch, length]`. */
export function maskedMean(values: tf.Tensor, mask: tf.Tensor): tf.Scalar {
  return tf.tidy(() => tf.div(tf.sum(tf.mul(values, mask)), tf.maximum(tf.sum(mask), 1)) as tf.Scalar);
}

/**
 * Whitening over the unmasked entries: `(x - mean) / sqrt(var + epsilon)` with the unbiased variance (n − 1);
 * padding becomes 0. Both `[batch, length]`.
 */
export function whiten(values: tf.Tensor, mask: tf.Tensor, epsilon = 1e-8): tf.Tensor {
  return tf.tidy(() => {
    const count = tf.sum(mask);
    const centered = tf.mul(tf.sub(values, maskedMean(values, mask)), mask);
    const variance = tf.div(tf.sum(tf.square(centered)), tf.maximum(tf.sub(count, 1), 1));
    return tf.mul(centered, tf.rsqrt(tf.add(variance, epsilon)));
  });
}

/** `[batch, length]` with 1 at the last unmasked position of each row (none for an empty row). */
export function lastTokenMask(mask: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const length = mask.shape[1];
    const positions = tf.range(1, length + 1, 1, 'float32'); // 1-based, so that an empty row has last = 0
    const last = tf.max(tf.mul(mask, positions), 1, true); // [batch, 1]
    return tf.mul(mask, tf.cast(tf.equal(positions, last), 'float32')) as tf.Tensor2D;
  });
}
