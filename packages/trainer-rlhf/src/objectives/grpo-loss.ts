import * as tf from '@tensorflow/tfjs-core';
import { ObjectiveOptionError } from '../errors.js';
import { klEstimate } from './kl.js';
import { maskedMean } from './masked.js';

export interface GRPOLossOptions {
  /** ε below 1, default 0.2. */
  clipLow?: number;
  /** ε above 1, default `clipLow`; larger values ("clip-higher", DAPO) keep exploration alive. */
  clipHigh?: number;
  /** Weight of the k3 KL penalty to the reference, default 0.04. */
  klCoefficient?: number;
  /**
   * `'token'` (default) averages over all tokens; `'sequence'` within a completion first, as the paper prints it;
   * `'sum'` sums within a completion and averages the sums, as REINFORCE does.
   */
  average?: 'token' | 'sequence' | 'sum';
}

export type GRPOLoss = {
  loss: tf.Scalar;
  /** Share of tokens where the clipped term is the smaller one. */
  clipFraction: tf.Scalar;
  /** The part of it above 1 + ε. */
  clipHighFraction: tf.Scalar;
  /** Mean probability ratio. */
  ratio: tf.Scalar;
  /** Mean k3 estimate; 0 without a reference. */
  kl: tf.Scalar;
};

/**
 * GRPO (Shao et al. 2024, eq. 3): per token `−min(ρ A, clip(ρ, 1−ε, 1+ε) A) + β k3`.
 *
 * @param input `logProbs`, `oldLogProbs`, `referenceLogProbs`, `mask` `[completions, length]`; `advantages`
 *   `[completions]`, one per completion
 */
export function grpoLoss(
  input: Omit<GRPOTokenInput, 'advantages'> & { advantages: tf.Tensor1D },
  options: GRPOLossOptions = {},
): GRPOLoss {
  return tf.tidy(() =>
    grpoTokenLoss({ ...input, advantages: tf.expandDims(input.advantages, 1) as tf.Tensor2D }, options),
  );
}

export interface GRPOTokenInput {
  logProbs: tf.Tensor2D;
  oldLogProbs: tf.Tensor2D;
  referenceLogProbs?: tf.Tensor2D;
  /** `[completions, length]`, or `[completions, 1]`. */
  advantages: tf.Tensor2D;
  mask: tf.Tensor2D;
}

/** {@link grpoLoss} with an advantage per token. */
export function grpoTokenLoss(
  input: GRPOTokenInput,
  { clipLow = 0.2, clipHigh = clipLow, klCoefficient = 0.04, average = 'token' }: GRPOLossOptions = {},
): GRPOLoss {
  if (average !== 'token' && average !== 'sequence' && average !== 'sum') {
    throw new ObjectiveOptionError('average', average, "use 'token', 'sequence' or 'sum'");
  }
  return tf.tidy(() => {
    const { logProbs, oldLogProbs, referenceLogProbs, advantages, mask } = input;
    const ratio = tf.exp(tf.mul(tf.sub(logProbs, oldLogProbs), mask));
    const unclipped = tf.mul(ratio, advantages);
    const clipped = tf.mul(tf.clipByValue(ratio, 1 - clipLow, 1 + clipHigh), advantages);
    const kl = referenceLogProbs
      ? klEstimate(tf.mul(logProbs, mask), tf.mul(referenceLogProbs, mask), 'k3')
      : tf.zerosLike(logProbs);
    const perToken = tf.add(tf.neg(tf.minimum(unclipped, clipped)), tf.mul(kl, klCoefficient));
    const loss = average === 'token' ? maskedMean(perToken, mask) : meanOfRows(perToken, mask, average);
    const clips = tf.cast(tf.less(clipped, unclipped), 'float32');
    const above = tf.cast(tf.greater(ratio, 1), 'float32');
    return {
      loss,
      clipFraction: maskedMean(clips, mask),
      clipHighFraction: maskedMean(tf.mul(clips, above), mask),
      ratio: maskedMean(ratio, mask),
      kl: maskedMean(kl, mask),
    };
  });
}

/** Mean over the rows that have an unmasked entry, of their mean or sum; padding rows do not count. */
function meanOfRows(values: tf.Tensor, mask: tf.Tensor2D, average: 'sequence' | 'sum'): tf.Scalar {
  const sums = tf.sum(tf.mul(values, mask), 1); // [completions]
  const counts = tf.sum(mask, 1);
  const rows = average === 'sum' ? sums : tf.div(sums, tf.maximum(counts, 1));
  return tf.div(tf.sum(rows), tf.maximum(tf.sum(tf.minimum(counts, 1)), 1)) as tf.Scalar;
}
