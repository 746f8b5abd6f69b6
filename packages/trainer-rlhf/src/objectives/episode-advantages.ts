import * as tf from '@tensorflow/tfjs-core';
import { generalizedAdvantage } from './generalized-advantage.js';
import type { KLEstimator } from './kl.js';
import { tokenRewards } from './token-rewards.js';

export interface EpisodeAdvantagesInput {
  /** `[batch, length]`, as are `referenceLogProbs`, `values` and `mask` (1 on completion tokens). */
  readonly logProbs: tf.Tensor2D;
  readonly referenceLogProbs: tf.Tensor2D;
  readonly values: tf.Tensor2D;
  readonly mask: tf.Tensor2D;
  /** `[batch]` */
  readonly scores: tf.Tensor1D;
}

export interface EpisodeAdvantagesOptions {
  readonly klCoefficient: number | tf.Scalar;
  readonly klEstimator?: KLEstimator | undefined;
  readonly gamma?: number | undefined;
  readonly lambda?: number | undefined;
  /** Default `true`. */
  readonly whitenAdvantages?: boolean | undefined;
}

/** From scores to what PPO trains on: per-token rewards with the KL penalty, then generalised advantages; `[batch, length]`. */
export function episodeAdvantages(
  { logProbs, referenceLogProbs, values, mask, scores }: EpisodeAdvantagesInput,
  {
    klCoefficient,
    klEstimator = 'k1',
    gamma = 1,
    lambda = 0.95,
    whitenAdvantages = true,
  }: EpisodeAdvantagesOptions,
): { advantages: tf.Tensor2D; returns: tf.Tensor2D } {
  return tf.tidy(() => {
    const rewards = tokenRewards(
      { logProbs, referenceLogProbs, scores, mask },
      { klCoefficient, estimator: klEstimator },
    );
    return generalizedAdvantage({ rewards, values, mask }, { gamma, lambda, whiten: whitenAdvantages });
  });
}
