import * as tf from '@tensorflow/tfjs-core';
import type { TileLayout } from './score-part.js';
import { mergeHeads, padRows } from './shapes.js';

/**
 * One tile per residue modulo `stride`: the queries at positions ≡ r beside the keys at positions ≡ r. In a matrix of
 * `stride` columns, filled row by row with positions, these are the columns.
 *
 * @param offset position of the first query; keys start at position 0
 */
export function residuePart(
  queryLength: number,
  keyLength: number,
  offset: number,
  stride: number,
): TileLayout & {
  readonly firstRow: number;
  readonly rows: number;
  readonly columns: number;
} {
  const queries = columnLayout(queryLength, stride, offset % stride);
  const keys = columnLayout(keyLength, stride, 0);
  return {
    firstRow: Math.floor(offset / stride),
    rows: queries.rows,
    columns: keys.rows,
    takeQueries: queries.take,
    putQueries: queries.put,
    takeKeys: (x) => keys.take(x),
    addKeys: keys.put,
  };
}

/** `[batch, heads, length, features]` ↔ `[batch, heads, stride, rows, features]`, with `before` filled places first. */
function columnLayout(length: number, stride: number, before: number) {
  const rows = Math.ceil((before + length) / stride);
  const after = rows * stride - before - length;
  return {
    rows,
    take(x: tf.Tensor4D, padding = 0): tf.Tensor {
      const [batch, heads, , features] = x.shape;
      const grid = tf.reshape(padRows(mergeHeads(x), before, after, padding), [
        batch * heads,
        rows,
        stride,
        features,
      ]);
      return tf.reshape(tf.transpose(grid, [0, 2, 1, 3]), [batch, heads, stride, rows, features]);
    },
    put(view: tf.Tensor): tf.Tensor4D {
      const [batch, heads, , , features] = view.shape as [number, number, number, number, number];
      const grid = tf.transpose(tf.reshape(view, [batch * heads, stride, rows, features]), [0, 2, 1, 3]);
      const flat = tf.reshape(grid, [batch * heads, rows * stride, features]);
      const kept =
        before + after === 0 ? flat : tf.slice(flat, [0, before, 0], [batch * heads, length, features]);
      return tf.reshape(kept, [batch, heads, length, features]) as tf.Tensor4D;
    },
  };
}
