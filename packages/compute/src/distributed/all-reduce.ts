import * as tf from '@tensorflow/tfjs-core';
import { defineKernel, runKernel } from '../ops/kernel.js';

defineKernel<Record<string, tf.Tensor>, object>({
  name: 'AllReduceMean',
  // Outside a cluster there is one worker, and the mean over it is the value itself.
  composite: (inputs) => Object.values(inputs).map((x) => tf.clone(x)),
});

/**
 * The mean of each tensor over all workers of the cluster that the captured function was given; without a cluster, or in
 * eager code, the tensors themselves. Put it between gradients and optimiser: equal batches on n workers then train like one
 * worker with the n-fold batch.
 *
 * @param tensors float32, by name; the same names and shapes on every worker
 */
export function allReduceMean(tensors: Readonly<Record<string, tf.Tensor>>): Record<string, tf.Tensor> {
  const names = Object.keys(tensors);
  if (names.length === 0) return {};
  const numbered = Object.fromEntries(names.map((name, i) => [`x${i}`, tensors[name]!]));
  const means = tf.tidy(() => runKernel<tf.Tensor[]>('AllReduceMean', numbered));
  return Object.fromEntries(names.map((name, i) => [name, means[i]!]));
}
