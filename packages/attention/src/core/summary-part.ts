import * as tf from '@tensorflow/tfjs-core';
import type { TileLayout } from './score-part.js';
import { mergeHeads, padRows } from './shapes.js';

/**
 * All queries beside the last `summary` keys of every block of `stride` positions, as one tile of
 * `⌈keyLength / stride⌉ · summary` columns.
 */
export function summaryPart(keyLength: number, stride: number, summary: number): TileLayout {
  const blocks = Math.ceil(keyLength / stride);
  const filling = blocks * stride - keyLength;
  const same = <T>(x: T): T => x;
  return {
    hasFilling: filling > 0,
    takeQueries: same,
    putQueries: (view) => view as tf.Tensor4D,
    takeKeys(x) {
      const [batch, heads, , features] = x.shape;
      const grid = tf.reshape(padRows(mergeHeads(x), 0, filling), [batch * heads, blocks, stride * features]);
      const width = summary * features;
      const summaries = tf.slice(grid, [0, 0, stride * features - width], [batch * heads, blocks, width]);
      return tf.reshape(summaries, [batch, heads, blocks * summary, features]);
    },
    addKeys(view) {
      const [batch, heads, , features] = view.shape as [number, number, number, number];
      const grid = tf.reshape(view, [batch * heads, blocks, summary * features]) as tf.Tensor3D;
      const wide = tf.pad(grid, [
        [0, 0],
        [0, 0],
        [(stride - summary) * features, 0],
      ]);
      const rows = tf.reshape(wide, [batch, heads, blocks * stride, features]) as tf.Tensor4D;
      return filling === 0 ? rows : tf.slice(rows, [0, 0, 0, 0], [batch, heads, keyLength, features]);
    },
  };
}
