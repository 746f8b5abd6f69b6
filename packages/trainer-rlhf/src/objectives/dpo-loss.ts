import * as tf from '@tensorflow/tfjs-core';
import { ObjectiveOptionError } from '../errors.js';

export type DPOVariant = 'sigmoid' | 'ipo' | 'hinge';

export interface DPOLossOptions {
  /** β, strength of the implicit KL penalty, default 0.1. */
  beta?: number;
  /** Default `'sigmoid'` (Rafailov et al. 2023); `'ipo'` (Azar et al. 2023); `'hinge'` (SLiC, Zhao et al. 2023). */
  variant?: DPOVariant;
  /** Probability that a label is flipped (conservative DPO), 0 ≤ ε < 0.5, default 0; `'sigmoid'` only. */
  labelSmoothing?: number;
}

export interface DPOLoss {
  /** Mean over pairs. */
  loss: tf.Scalar;
  /** `[pairs]` */
  lossPerPair: tf.Tensor1D;
  /** β (policy − reference) of the chosen completions, `[pairs]`. */
  chosenRewards: tf.Tensor1D;
  /** β (policy − reference) of the rejected completions, `[pairs]`. */
  rejectedRewards: tf.Tensor1D;
  /** Share of pairs whose chosen reward is the larger one. */
  accuracy: tf.Scalar;
  /** Mean of chosen − rejected reward. */
  margin: tf.Scalar;
}

/**
 * Direct preference optimisation. With z = (π_c − π_r) − (ref_c − ref_r), log-probabilities summed over a completion:
 *
 *   sigmoid  −(1−ε) log σ(βz) − ε log σ(−βz);   ipo  (z − 1/(2β))²;   hinge  max(0, 1 − βz).
 *
 * @param input summed log-probabilities `[pairs]`, nats; gradients flow to the policy's
 */
export function dpoLoss(
  input: {
    policyChosen: tf.Tensor1D;
    policyRejected: tf.Tensor1D;
    referenceChosen: tf.Tensor1D;
    referenceRejected: tf.Tensor1D;
  },
  { beta = 0.1, variant = 'sigmoid', labelSmoothing = 0 }: DPOLossOptions = {},
): DPOLoss {
  if (!(beta > 0)) throw new ObjectiveOptionError('beta', beta, 'give a number above 0');
  if (!(labelSmoothing >= 0 && labelSmoothing < 0.5)) {
    throw new ObjectiveOptionError('labelSmoothing', labelSmoothing, 'give a number from 0 to below 0.5');
  }
  if (labelSmoothing > 0 && variant !== 'sigmoid') {
    throw new ObjectiveOptionError(
      'labelSmoothing',
      labelSmoothing,
      "only the 'sigmoid' variant smooths labels",
    );
  }
  return tf.tidy(() => {
    const chosen = tf.sub(input.policyChosen, input.referenceChosen);
    const rejected = tf.sub(input.policyRejected, input.referenceRejected);
    const z = tf.sub(chosen, rejected);
    const lossPerPair = pairLoss(z, beta, variant, labelSmoothing);
    const chosenRewards = tf.mul(chosen, beta);
    const rejectedRewards = tf.mul(rejected, beta);
    return {
      loss: tf.mean(lossPerPair) as tf.Scalar,
      lossPerPair: lossPerPair as tf.Tensor1D,
      chosenRewards: chosenRewards as tf.Tensor1D,
      rejectedRewards: rejectedRewards as tf.Tensor1D,
      accuracy: tf.mean(tf.cast(tf.greater(chosenRewards, rejectedRewards), 'float32')) as tf.Scalar,
      margin: tf.mean(tf.sub(chosenRewards, rejectedRewards)) as tf.Scalar,
    };
  });
}

function pairLoss(z: tf.Tensor, beta: number, variant: DPOVariant, labelSmoothing: number): tf.Tensor {
  const scaled = tf.mul(z, beta);
  switch (variant) {
    case 'sigmoid': // −log σ(x) = softplus(−x)
      return tf.add(
        tf.mul(tf.softplus(tf.neg(scaled)), 1 - labelSmoothing),
        tf.mul(tf.softplus(scaled), labelSmoothing),
      );
    case 'ipo':
      return tf.square(tf.sub(z, 1 / (2 * beta)));
    case 'hinge':
      return tf.relu(tf.sub(1, scaled));
    default:
      throw new ObjectiveOptionError('variant', variant, "use 'sigmoid', 'ipo' or 'hinge'");
  }
}
