import * as tf from '@tensorflow/tfjs-core';
import { scope } from '../core/scope.js';
import { checkPositive } from '../validate.js';
import { type DistanceOptions, relativePositions } from './positions.js';

/**
 * The slopes of ALiBi's heads: 2^(−8/n), 2^(−16/n), … for n heads. Where n is no power of two: those of the power below,
 * then every second slope of the power above, as in the authors' code.
 */
export function alibiSlopes(heads: number): number[] {
  checkPositive('heads', heads);
  const power = 2 ** Math.floor(Math.log2(heads));
  const slopes = (n: number) => Array.from({ length: n }, (_, i) => 2 ** ((-8 * (i + 1)) / n));
  const extra = slopes(2 * power).filter((_, i) => i % 2 === 0);
  return [...slopes(power), ...extra.slice(0, heads - power)];
}

/**
 * Attention with linear biases: −slope · (i − j) for a key j before query i. Press et al. 2021, "Train Short, Test Long",
 * §3. Pass it as `bias` to `denseAttention`.
 *
 * @returns `[1, heads, queryLength, keyLength]`; keys after the query get the same distance as before it, so that the bias
 *   also serves encoders
 */
export function alibiBias(
  heads: number,
  queryLength: number,
  keyLength: number,
  options: DistanceOptions = {},
): tf.Tensor4D {
  return scope(() => {
    const distance = tf.abs(tf.cast(relativePositions(queryLength, keyLength, options), 'float32'));
    const slopes = tf.tensor4d(
      alibiSlopes(heads).map((slope) => -slope),
      [1, heads, 1, 1],
    );
    return tf.mul(slopes, tf.reshape(distance, [1, 1, queryLength, keyLength])) as tf.Tensor4D;
  });
}
