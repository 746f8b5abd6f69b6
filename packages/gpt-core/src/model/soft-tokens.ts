import { embedding } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Embeddings of tokens of which some are not words: ids from `vocabSize` on count the rows of `soft`. Gradients reach
 * both tables.
 *
 * @param table `[vocabSize, nEmbd]`
 * @param soft `[count, nEmbd]`
 * @param tokenIds `[batch, length]` int32, below `vocabSize + count`
 * @returns `[batch, length, nEmbd]`
 */
export function mixedEmbeddings(table: tf.Tensor2D, soft: tf.Tensor2D, tokenIds: tf.Tensor2D): tf.Tensor3D {
  // Plain numbers would turn ids into floats.
  const int = (value: number) => tf.scalar(value, 'int32');
  const vocabSize = table.shape[0];
  const word = tf.minimum(tokenIds, int(vocabSize - 1)) as tf.Tensor2D;
  const words = embedding(table, word) as tf.Tensor3D;
  const row = tf.maximum(tf.sub(tokenIds, int(vocabSize)), int(0)) as tf.Tensor2D;
  const others = embedding(soft, row) as tf.Tensor3D;
  const isSoft = tf.greaterEqual(tokenIds, int(vocabSize));
  const share = tf.cast(tf.expandDims(isSoft, 2), 'float32'); // [batch, length, 1]
  return tf.add(tf.mul(words, tf.sub(1, share)), tf.mul(others, share)) as tf.Tensor3D;
}
