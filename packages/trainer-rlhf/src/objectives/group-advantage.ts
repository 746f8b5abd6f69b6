import * as tf from '@tensorflow/tfjs-core';
import { ObjectiveOptionError } from '../errors.js';

export interface GroupAdvantageOptions {
  /**
   * What the centred rewards of a group are divided by, default `'sample-std'`:
   * `'population-std'` (n), `'sample-std'` (n − 1), `'none'` (Dr. GRPO: no length or difficulty bias),
   * `'leave-one-out'` (RLOO, Ahmadian et al. 2024: the baseline is the mean of the others).
   */
  normalisation?: 'population-std' | 'sample-std' | 'none' | 'leave-one-out';
  /** Added to the standard deviation, default 1e-4. */
  epsilon?: number;
}

/**
 * Advantages relative to the group of completions sampled for one prompt (GRPO, Shao et al. 2024, §4.1).
 * A group whose rewards are all equal gets 0: it teaches nothing.
 *
 * @param rewards `[groups, completions]`
 * @returns `[groups, completions]`
 */
export function groupAdvantage(
  rewards: tf.Tensor2D,
  { normalisation = 'sample-std', epsilon = 1e-4 }: GroupAdvantageOptions = {},
): tf.Tensor2D {
  const size = rewards.shape[1];
  if (size < 2) {
    throw new ObjectiveOptionError(
      'rewards',
      `[${rewards.shape}]`,
      'sample at least two completions per prompt',
    );
  }
  return tf.tidy(() => {
    const centred = tf.sub(rewards, tf.mean(rewards, 1, true));
    if (normalisation === 'none') return centred as tf.Tensor2D;
    if (normalisation === 'leave-one-out') return tf.mul(centred, size / (size - 1)) as tf.Tensor2D;
    if (normalisation !== 'population-std' && normalisation !== 'sample-std') {
      throw new ObjectiveOptionError(
        'normalisation',
        normalisation,
        "use 'population-std', 'sample-std', 'none' or 'leave-one-out'",
      );
    }
    const degrees = normalisation === 'sample-std' ? size - 1 : size;
    const deviation = tf.sqrt(tf.div(tf.sum(tf.square(centred), 1, true), degrees));
    return tf.div(centred, tf.add(deviation, epsilon)) as tf.Tensor2D;
  });
}
