import * as tf from '@tensorflow/tfjs-core';

/** Values of the transpose. */
export async function transposed(matrix: tf.Tensor2D): Promise<Float32Array> {
  const turned = tf.transpose(matrix);
  try {
    return (await turned.data()) as Float32Array;
  } finally {
    turned.dispose();
  }
}
