import * as tf from '@tensorflow/tfjs-core';
import { ObjectiveOptionError } from '../errors.js';

export type KLEstimator = 'k1' | 'k2' | 'k3';

/**
 * Per-token estimates of KL(policy ‖ reference) from the log-probabilities of tokens the policy sampled
 * (Schulman, "Approximating KL divergence"). With log r = logProbs_ref − logProbs:
 *
 *   k1 = −log r   unbiased, can be negative;   k2 = (log r)² / 2   biased, low variance;
 *   k3 = r − 1 − log r   unbiased, never negative.
 *
 * @param logProbs any shape, nats, under the policy
 * @param referenceLogProbs same shape, under the reference
 */
export function klEstimate(
  logProbs: tf.Tensor,
  referenceLogProbs: tf.Tensor,
  estimator: KLEstimator = 'k1',
): tf.Tensor {
  return tf.tidy(() => {
    const logRatio = tf.sub(referenceLogProbs, logProbs);
    switch (estimator) {
      case 'k1':
        return tf.neg(logRatio);
      case 'k2':
        return tf.mul(tf.square(logRatio), 0.5);
      case 'k3':
        return tf.sub(tf.sub(tf.exp(logRatio), 1), logRatio);
      default:
        throw new ObjectiveOptionError('estimator', estimator, "use 'k1', 'k2' or 'k3'");
    }
  });
}

/** Exact KL(policy ‖ reference) of whole rows of logits, `[…, vocabSize]` → `[…]`, in nats. */
export function klDivergence(logits: tf.Tensor, referenceLogits: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const logProbs = tf.logSoftmax(logits);
    return tf.sum(tf.mul(tf.exp(logProbs), tf.sub(logProbs, tf.logSoftmax(referenceLogits))), -1);
  });
}

/** What both KL controllers offer: a coefficient, and a way to learn from what was measured. */
export interface KLController {
  /** β, the weight of the per-token penalty. */
  readonly coefficient: number;
  /** Reports the mean KL per sequence (nats) over `steps` new sequences. */
  update(kl: number, steps: number): void;
}

/** β never changes. InstructGPT uses 0.02. */
export class FixedKLController implements KLController {
  readonly coefficient: number;

  constructor(coefficient = 0.02) {
    this.coefficient = coefficient;
  }

  update(): void {}
}

export interface AdaptiveKLOptions {
  /** First β, default 0.2. */
  initial?: number;
  /** KL per sequence to steer to, in nats, default 6. */
  target?: number;
  /** Sequences over which a sustained error of 100 % would double β, default 10,000. */
  horizon?: number;
}

/**
 * The proportional controller of Ziegler et al. 2019 (Fine-tuning language models from human preferences, §2.2):
 * `e = clip(KL / target − 1, −0.2, 0.2)`, `β ← β (1 + e · steps / horizon)`.
 */
export class AdaptiveKLController implements KLController {
  readonly target: number;
  readonly horizon: number;
  #coefficient: number;

  constructor({ initial = 0.2, target = 6, horizon = 10_000 }: AdaptiveKLOptions = {}) {
    for (const [name, value] of Object.entries({ initial, target, horizon })) {
      if (!(value > 0)) throw new ObjectiveOptionError(name, value, 'give a number above 0');
    }
    this.#coefficient = initial;
    this.target = target;
    this.horizon = horizon;
  }

  get coefficient(): number {
    return this.#coefficient;
  }

  /** Restores β from a checkpoint. */
  set coefficient(value: number) {
    if (!(value > 0)) throw new ObjectiveOptionError('coefficient', value, 'give a number above 0');
    this.#coefficient = value;
  }

  update(kl: number, steps: number): void {
    if (!Number.isFinite(kl)) throw new ObjectiveOptionError('kl', kl, 'skip batches whose KL is not finite');
    const error = Math.min(0.2, Math.max(-0.2, kl / this.target - 1));
    this.#coefficient *= 1 + (error * steps) / this.horizon;
  }
}
