import * as tf from '@tensorflow/tfjs-core';
import { whiten } from './masked.js';

export interface GeneralizedAdvantageOptions {
  /** Discount, default 1 (InstructGPT does not discount). */
  gamma?: number;
  /** λ of the estimator, default 0.95. */
  lambda?: number;
  /** Normalise the advantages over the unmasked tokens (unbiased variance), default `false`. Returns stay as they are. */
  whiten?: boolean;
}

/**
 * Generalised advantage estimation (Schulman et al. 2016, eq. 16):
 *
 *   δ_t = r_t + γ V_{t+1} − V_t,   A_t = δ_t + γ λ A_{t+1},   returns = A + V,
 *
 * where the value after the last unmasked token is 0. Rewards and values are data here: no gradient flows through.
 *
 * @param input `rewards`, `values` `[batch, length]`; `mask` `[batch, length]` with 1 on completion tokens, right padded
 * @returns `advantages` and `returns`, `[batch, length]`, 0 on padding
 */
export function generalizedAdvantage(
  input: { rewards: tf.Tensor2D; values: tf.Tensor2D; mask: tf.Tensor2D },
  { gamma = 1, lambda = 0.95, whiten: normalise = false }: GeneralizedAdvantageOptions = {},
): { advantages: tf.Tensor2D; returns: tf.Tensor2D } {
  return tf.tidy(() => {
    const { rewards, values, mask } = input;
    const [batch] = rewards.shape;
    const maskedValues = tf.mul(values, mask) as tf.Tensor2D;
    const nextValues = tf.concat([tf.slice(maskedValues, [0, 1]), tf.zeros([batch, 1])], 1);
    const deltas = tf.mul(tf.sub(tf.add(rewards, tf.mul(nextValues, gamma)), values), mask);
    // What stands to the right of the completion is 0 and stays so.
    const advantages = tf.mul(discountedSums(deltas as tf.Tensor2D, gamma * lambda), mask) as tf.Tensor2D;
    const returns = tf.mul(tf.add(advantages, values), mask) as tf.Tensor2D;
    return { advantages: normalise ? (whiten(advantages, mask) as tf.Tensor2D) : advantages, returns };
  });
}

/** Σ_k decay^k · x_{t+k} in every column, by doubling: log₂(length) steps in place of one after the other. */
function discountedSums(x: tf.Tensor2D, decay: number): tf.Tensor2D {
  const [batch, length] = x.shape;
  let sums = x; // of `reach` terms each
  for (let reach = 1; reach < length; reach *= 2) {
    const later = tf.concat(
      [tf.slice(sums, [0, reach], [batch, length - reach]), tf.zeros([batch, reach])],
      1,
    );
    sums = tf.add(sums, tf.mul(later, decay ** reach));
  }
  return sums;
}
