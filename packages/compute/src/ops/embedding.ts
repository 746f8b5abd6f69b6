import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';

defineKernel<{ updates: tf.Tensor; rows: tf.Tensor }, { vocabSize: number }>({
  name: 'FusedScatterAdd',
  // updates [n, width], rows [n] → [vocabSize, width]; work is O(n·width), not the O(n·vocabSize·width) of one-hot
  composite: ({ updates, rows }, { vocabSize }) =>
    tf.scatterND(tf.reshape(rows, [-1, 1]), updates, [vocabSize, updates.shape[1]!]),
  tensorflow: (raw, { updates, rows }, { vocabSize }) =>
    raw.one('UnsortedSegmentSum', [updates, rows, tf.scalar(vocabSize, 'int32')]),
});

defineKernel<{ table: tf.Tensor; rows: tf.Tensor }, { vocabSize: number }>({
  name: 'FusedEmbedding',
  // gatherND copies whole rows; wasm's gather goes element by element.
  composite: ({ table, rows }) => tf.gatherND(table, tf.reshape(rows, [-1, 1])),
  tensorflow: (raw, { table, rows }) => raw.one('GatherV2', [table, rows, tf.scalar(0, 'int32')]),
  gradient: {
    inputsToSave: ['rows'],
    gradFunc: (dy, saved, attrs) => ({
      table: () =>
        runKernel<tf.Tensor>(
          'FusedScatterAdd',
          { updates: dy as tf.Tensor, rows: saved[0] },
          { vocabSize: (attrs as unknown as { vocabSize: number }).vocabSize },
        ),
    }),
  },
});

// tfjs-backend-wasm has no UnsortedSegmentSum, so even stock `tf.gather` could not be trained there.
if (tf.getKernel('UnsortedSegmentSum', 'wasm') === undefined) {
  tf.registerKernel({
    kernelName: 'UnsortedSegmentSum',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) =>
      tf.tidy(() => {
        const { x, segmentIds } = inputs as { x: tf.Tensor; segmentIds: tf.Tensor };
        const { numSegments } = attrs as unknown as { numSegments: number };
        return tf.scatterND(tf.reshape(segmentIds, [-1, 1]), x, [numSegments, ...x.shape.slice(1)]);
      }),
  });
}

/**
 * Rows of `table`. Its gradient adds each row's gradient to the row it came from.
 *
 * @param table `[vocabSize, width]`, float32
 * @param tokenIds any shape, int32, each below `vocabSize`
 * @returns `[..tokenIds.shape, width]`
 * @throws {InvalidArgumentError} when `table` is not a matrix or `tokenIds` is not int32
 */
export function embedding(table: tf.Tensor2D | tf.Variable, tokenIds: tf.Tensor): tf.Tensor {
  if (table.rank !== 2) throw new InvalidArgumentError('table', 'of shape [vocabSize, width]', table);
  if (tokenIds.dtype !== 'int32') throw new InvalidArgumentError('tokenIds', 'an int32 tensor', tokenIds);
  const [vocabSize, width] = table.shape as [number, number];
  return tf.tidy(() => {
    const rows = tf.reshape(tokenIds, [-1]);
    const found = runKernel<tf.Tensor>('FusedEmbedding', { table: table as tf.Tensor, rows }, { vocabSize });
    return tf.reshape(found, [...tokenIds.shape, width]);
  });
}
