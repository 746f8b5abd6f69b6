import { statelessUniform } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionOptions } from '../options.js';

export interface Dropout {
  /** Share of the attention weights that are dropped, in (0, 1). */
  readonly rate: number;
  readonly seed: number | tf.Tensor;
}

export function resolveDropout({ dropout = 0, seed }: AttentionOptions): Dropout | null {
  return dropout > 0 ? { rate: dropout, seed: seed! } : null;
}

/**
 * 0 with probability `rate`, otherwise 1 / (1 − rate). A function of seed, part and shape alone: the backward pass
 * makes the same mask again instead of keeping it.
 */
export function dropoutMask(shape: number[], { rate, seed }: Dropout, part: number): tf.Tensor {
  return tf.tidy(() => {
    const uniform = statelessUniform(shape, partSeed(seed, part));
    return tf.mul(tf.cast(tf.greaterEqual(uniform, rate), 'float32'), 1 / (1 - rate));
  });
}

/** Parts of one call draw from different streams, and so do calls whose seeds are neighbours. */
function partSeed(seed: number | tf.Tensor, part: number): number | tf.Tensor {
  if (typeof seed === 'number') {
    return (Math.imul(Math.imul(seed, 0x9e3779b1) ^ (part + 1), 0x85ebca6b) >>> 1) & 0x7fffffff;
  }
  const flat = tf.reshape(seed, [-1]);
  const pair = flat.size === 2 ? flat : tf.concat([flat, tf.zeros([1], 'int32')]);
  return tf.add(pair, tf.tensor1d([0, part + 1], 'int32'));
}
