import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';
import { philoxUniform } from './philox.js';

defineKernel<{ seed?: tf.Tensor } & Record<string, tf.Tensor>, { shape: number[]; seed?: [number, number] }>({
  name: 'StatelessUniform',
  // seed int32 [2], as a tensor or an attribute → float32 in [0, 1)
  composite({ seed }, { shape, seed: fixed }) {
    const pair = fixed ?? (Array.from(seed!.dataSync()) as [number, number]);
    return tf.tensor(philoxUniform(pair, tf.util.sizeFromShape(shape)), shape, 'float32');
  },
  tensorflow: (raw, { seed }, { shape, seed: fixed }) =>
    raw.one('StatelessRandomUniform', [tf.tensor1d(shape, 'int32'), seed ?? tf.tensor1d(fixed!, 'int32')], {
      dtype: { type: 'float32' },
    }),
});

/** A number, or an int32 tensor `[]` or `[2]` (what a captured function needs for a seed that changes per step). */
export type Seed = number | tf.Tensor;

/**
 * Uniform numbers in [0, 1) that depend on `seed` and `shape` alone: the same on every backend.
 *
 * @throws {InvalidArgumentError} for a seed that is no 32-bit integer or int32 tensor
 */
export function statelessUniform(shape: readonly number[], seed: Seed): tf.Tensor {
  if (typeof seed === 'number') {
    if (!Number.isInteger(seed) || Math.abs(seed) > 0x7fffffff) {
      throw new InvalidArgumentError('seed', 'a 32-bit integer', seed);
    }
    const attrs = { shape: [...shape], seed: [seed, 0] };
    return tf.tidy(() => runKernel<tf.Tensor>('StatelessUniform', {}, attrs));
  }
  if (seed.dtype !== 'int32' || (seed.size !== 1 && seed.size !== 2)) {
    throw new InvalidArgumentError('seed', 'an integer or an int32 tensor of one or two elements', seed);
  }
  return tf.tidy(() => {
    const flat = tf.reshape(seed, [-1]);
    const pair = flat.size === 2 ? flat : tf.concat([flat, tf.zeros([1], 'int32')]);
    return runKernel<tf.Tensor>('StatelessUniform', { seed: pair }, { shape: [...shape] });
  });
}

/**
 * Inverted dropout: each element becomes 0 with probability `rate`, else it is divided by `1 − rate`. The choice is
 * a function of `seed`, so a resumed run repeats it. Srivastava et al. 2014, "Dropout: A Simple Way to Prevent
 * Neural Networks from Overfitting".
 *
 * @param x any shape, float32
 * @param rate in [0, 1); 0 returns `x` unchanged (a new handle on the same data)
 * @param seed give every call site and step its own
 * @throws {InvalidArgumentError} for a rate outside [0, 1)
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, seed: Seed): T {
  if (!(rate >= 0 && rate < 1)) throw new InvalidArgumentError('rate', 'in [0, 1)', rate);
  if (rate === 0) return tf.clone(x);
  return tf.tidy(() => {
    const keep = tf.cast(tf.greaterEqual(statelessUniform(x.shape, seed), rate), 'float32');
    return tf.mul(x, tf.mul(keep, 1 / (1 - rate))) as T;
  });
}
