import * as tf from '@tensorflow/tfjs-core';

/**
 * What `compute` makes of tensors, as a constant for whoever differentiates: its operations are not recorded, and the
 * gradient of `inputs` is 0.
 *
 * @param inputs what `compute` uses that has a gradient
 */
export function withoutGradient<T extends tf.Tensor>(
  inputs: readonly tf.Tensor[],
  compute: (...inputs: tf.Tensor[]) => T,
): T {
  const run = tf.customGrad((...args) => {
    const tensors = args.slice(0, inputs.length) as tf.Tensor[];
    return { value: compute(...tensors), gradFunc: () => tensors.map((tensor) => tf.zeros(tensor.shape)) };
  });
  return run(...inputs) as T;
}
