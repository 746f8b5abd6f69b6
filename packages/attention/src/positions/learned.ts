import { embedding } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { scope } from '../core/scope.js';
import { AttentionOptionError, ShapeMismatchError } from '../errors.js';
import type { Position } from '../options.js';

/**
 * Learned absolute positions, as in GPT-1, 2 and 3: row p of a trained table is added to the token at position p.
 *
 * @param table `[contextLength, nEmbd]`, differentiable
 * @param length rows wanted
 * @param offset position of the first row: a number, or an int32 scalar in a captured step. Default 0
 * @returns `[length, nEmbd]`
 * @throws {AttentionOptionError} when the positions run past the table
 */
export function learnedPositions(table: tf.Tensor2D, length: number, offset: Position = 0): tf.Tensor2D {
  if (table.rank !== 2) throw new ShapeMismatchError('table', '[contextLength, nEmbd]', table.shape);
  const [contextLength, nEmbd] = table.shape;
  if (typeof offset === 'number') {
    if (offset + length > contextLength) {
      throw new AttentionOptionError(
        'offset + length',
        offset + length,
        `must be at most ${contextLength}, the positions of the table`,
      );
    }
    return tf.slice(table, [offset, 0], [length, nEmbd]);
  }
  return scope(() => {
    const ids = tf.add(tf.range(0, length, 1, 'int32'), tf.reshape(offset, []));
    return embedding(table, ids as tf.Tensor1D) as tf.Tensor2D;
  });
}
