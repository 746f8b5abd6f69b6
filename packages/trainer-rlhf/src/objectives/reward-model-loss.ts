import * as tf from '@tensorflow/tfjs-core';
import { RankingError } from '../errors.js';

export interface RewardModelLoss {
  /** Mean over prompts of the mean over their pairs, a scalar to differentiate. */
  loss: tf.Scalar;
  /** `[prompts]`; 0 for a prompt without a comparable pair. */
  lossPerPrompt: tf.Tensor1D;
  /** Share of pairs whose preferred completion has the higher reward. */
  accuracy: tf.Scalar;
  /** Mean of `r(preferred) − r(other)` over all pairs. */
  margin: tf.Scalar;
}

/**
 * The ranking loss of InstructGPT (Ouyang et al. 2022, eq. 1): for every prompt, all C(K, 2) pairs of its K ranked
 * completions enter as one batch element,
 *
 *   loss(θ) = −1 / C(K, 2) · E[ log σ( r(x, y_w) − r(x, y_l) ) ].
 *
 * Ties are dropped (the paper trains on strict preferences), and each prompt is averaged over the pairs it has left,
 * so a prompt with many completions weighs as much as one with two.
 *
 * @param rewards `[prompts, K]`, the scalar reward of each completion
 * @param ranks `[prompts, K]` int32, 0 = best, equal numbers = a tie, −1 = padding for prompts with fewer completions
 * @returns tensors owned by the caller; inside `tf.variableGrads` return `.loss`
 * @throws {RankingError} when the shapes differ or K < 2
 */
export function rewardModelLoss(rewards: tf.Tensor2D, ranks: tf.Tensor2D): RewardModelLoss {
  const [prompts, completions] = rewards.shape;
  if (ranks.shape[0] !== prompts || ranks.shape[1] !== completions) {
    throw new RankingError(
      'ranks',
      `[${ranks.shape}]`,
      `give ranks the shape of rewards, [${rewards.shape}]`,
    );
  }
  if (completions < 2) {
    throw new RankingError(
      'rewards',
      `[${rewards.shape}]`,
      'a ranking needs at least two completions per prompt',
    );
  }
  const { loss, lossPerPrompt, accuracy, margin } = tf.tidy(() => {
    const differences = tf.sub(tf.expandDims(rewards, 2), tf.expandDims(rewards, 1)); // [prompts, better, worse]
    const better = tf.expandDims(ranks, 2);
    const worse = tf.expandDims(ranks, 1);
    const comparable = tf.logicalAnd(
      tf.less(better, worse),
      tf.logicalAnd(tf.greaterEqual(better, 0), tf.greaterEqual(worse, 0)),
    );
    const pairs = tf.cast(comparable, 'float32'); // 1 where row beats column
    const pairsPerPrompt = tf.sum(pairs, [1, 2]); // [prompts]
    const pairLoss = tf.mul(tf.softplus(tf.neg(differences)), pairs); // −log σ(d) = softplus(−d)
    const perPrompt = tf.div(tf.sum(pairLoss, [1, 2]), tf.maximum(pairsPerPrompt, 1)); // [prompts]
    const promptsWithPairs = tf.maximum(tf.sum(tf.cast(tf.greater(pairsPerPrompt, 0), 'float32')), 1);
    const allPairs = tf.maximum(tf.sum(pairs), 1);
    return {
      loss: tf.div(tf.sum(perPrompt), promptsWithPairs) as tf.Scalar,
      lossPerPrompt: perPrompt as tf.Tensor1D,
      accuracy: tf.div(
        tf.sum(tf.mul(tf.cast(tf.greater(differences, 0), 'float32'), pairs)),
        allPairs,
      ) as tf.Scalar,
      margin: tf.div(tf.sum(tf.mul(differences, pairs)), allPairs) as tf.Scalar,
    };
  });
  return { loss, lossPerPrompt, accuracy, margin };
}
