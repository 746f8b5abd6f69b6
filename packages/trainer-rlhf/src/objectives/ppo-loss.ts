import * as tf from '@tensorflow/tfjs-core';
import { maskedMean } from './masked.js';

export interface PPOLossInput {
  /** `[batch, length]`, under the policy being trained. */
  logProbs: tf.Tensor2D;
  /** `[batch, length]`, under the policy that sampled. */
  oldLogProbs: tf.Tensor2D;
  /** `[batch, length]` */
  advantages: tf.Tensor2D;
  /** `[batch, length]`, 1 on completion tokens. */
  mask: tf.Tensor2D;
  /** `[batch, length]`, from the value model being trained. Leave the three value fields out to train the policy alone. */
  values?: tf.Tensor2D;
  /** `[batch, length]`, from the value model at sampling time. */
  oldValues?: tf.Tensor2D;
  /** `[batch, length]` */
  returns?: tf.Tensor2D;
  /** Logits `[batch, length, vocabSize]`, needed for the entropy bonus only. */
  logits?: tf.Tensor3D;
}

export interface PPOLossOptions {
  /** ε of the policy clip, default 0.2. */
  clipRange?: number;
  /** Clip of the value update, default 0.2. */
  clipRangeValue?: number;
  /** Weight of the value loss in `loss`, default 0.1. */
  valueCoefficient?: number;
  /** Weight of the entropy bonus, default 0. */
  entropyCoefficient?: number;
}

export interface PPOLoss {
  /** `policyLoss + valueCoefficient · valueLoss − entropyCoefficient · entropy` */
  loss: tf.Scalar;
  policyLoss: tf.Scalar;
  valueLoss: tf.Scalar;
  entropy: tf.Scalar;
  /** Share of tokens where the clipped policy term is the larger one. */
  clipFraction: tf.Scalar;
  valueClipFraction: tf.Scalar;
  /** Masked mean of (logProbs − oldLogProbs)² / 2. */
  approxKL: tf.Scalar;
  /** Masked mean of the probability ratio. */
  ratio: tf.Scalar;
  /** Masked variance of it. */
  ratioVariance: tf.Scalar;
}

/** Entropy of each row of logits, `[…, vocabSize]` → `[…]`, in nats. */
export function entropyFromLogits(logits: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const logProbs = tf.logSoftmax(logits);
    return tf.neg(tf.sum(tf.mul(tf.exp(logProbs), logProbs), -1));
  });
}

/**
 * The clipped surrogate of PPO (Schulman et al. 2017, eq. 7) per token, with the clipped value loss used for language
 * models since Stiennon et al. 2020:
 *
 *   policy: mean max(−A ρ, −A clip(ρ, 1−ε, 1+ε)),   ρ = exp(logProbs − oldLogProbs)
 *   value:  ½ mean max((V − R)², (V_old + clip(V − V_old, −c, c) − R)²)
 *
 * Means are over the unmasked tokens. Gradients flow to `logProbs`, `values` and `logits` only.
 */
export function ppoLoss(
  input: PPOLossInput,
  {
    clipRange = 0.2,
    clipRangeValue = 0.2,
    valueCoefficient = 0.1,
    entropyCoefficient = 0,
  }: PPOLossOptions = {},
): PPOLoss {
  return tf.tidy(() => {
    const { logProbs, oldLogProbs, advantages, mask, values, oldValues, returns, logits } = input;
    // Padding carries arbitrary numbers; masking the difference keeps exp() finite there.
    const logRatio = tf.mul(tf.sub(logProbs, oldLogProbs), mask);
    const ratio = tf.exp(logRatio);
    const unclipped = tf.neg(tf.mul(advantages, ratio));
    const clipped = tf.neg(tf.mul(advantages, tf.clipByValue(ratio, 1 - clipRange, 1 + clipRange)));
    const policyLoss = maskedMean(tf.maximum(unclipped, clipped), mask);

    let valueLoss: tf.Scalar = tf.scalar(0);
    let valueClipFraction: tf.Scalar = tf.scalar(0);
    if (values && oldValues && returns) {
      const held = tf.add(
        oldValues,
        tf.clipByValue(tf.sub(values, oldValues), -clipRangeValue, clipRangeValue),
      );
      const plainError = tf.square(tf.sub(values, returns));
      const heldError = tf.square(tf.sub(held, returns));
      valueLoss = tf.mul(maskedMean(tf.maximum(plainError, heldError), mask), 0.5);
      valueClipFraction = maskedMean(tf.cast(tf.greater(heldError, plainError), 'float32'), mask);
    }
    const entropy = logits ? maskedMean(entropyFromLogits(logits), mask) : tf.scalar(0);
    const loss = tf.sub(
      tf.add(policyLoss, tf.mul(valueLoss, valueCoefficient)),
      tf.mul(entropy, entropyCoefficient),
    ) as tf.Scalar;
    const meanRatio = maskedMean(ratio, mask);
    return {
      loss,
      policyLoss,
      valueLoss,
      entropy,
      clipFraction: maskedMean(tf.cast(tf.greater(clipped, unclipped), 'float32'), mask),
      valueClipFraction,
      approxKL: maskedMean(tf.mul(tf.square(logRatio), 0.5), mask),
      ratio: meanRatio,
      ratioVariance: maskedMean(tf.square(tf.sub(ratio, meanRatio)), mask),
    };
  });
}

/**
 * PPO-ptx (InstructGPT eq. 2) as a loss: `policyLoss + γ · languageModelLoss`, the second measured on pretraining text.
 * The paper's γ is 27.8.
 */
export function ppoPtxLoss(policyLoss: tf.Scalar, languageModelLoss: tf.Scalar, gamma = 27.8): tf.Scalar {
  return tf.tidy(() => tf.add(policyLoss, tf.mul(languageModelLoss, gamma)));
}
