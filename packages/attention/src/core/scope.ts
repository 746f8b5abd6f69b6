import * as tf from '@tensorflow/tfjs-core';

/** `tf.tidy` for any result shape: records with readonly fields, nulls, numbers. */
export function scope<T>(run: () => T): T {
  return tf.tidy(run as unknown as () => tf.TensorContainer) as unknown as T;
}
