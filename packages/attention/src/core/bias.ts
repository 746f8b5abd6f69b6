import * as tf from '@tensorflow/tfjs-core';
import type { Range } from './shapes.js';

/** The part of a broadcasting `[batch, heads, queryLength, keyLength]` tensor that belongs to some queries and keys. */
export function sliceBias(x: tf.Tensor4D, queries: Range, keys: Range): tf.Tensor4D {
  const [batch, heads, rows, columns] = x.shape;
  const take = (size: number, { begin, end }: Range) =>
    size === 1 ? { begin: 0, size: 1 } : { begin, size: end - begin };
  const [row, column] = [take(rows, queries), take(columns, keys)];
  if (row.size === rows && column.size === columns) return x;
  return tf.slice(x, [0, 0, row.begin, column.begin], [batch, heads, row.size, column.size]);
}

/** Puts the parts' gradients of a bias together, with zeros where no part looked. */
export function joinBias(
  pieces: readonly { readonly queries: Range; readonly keys: Range; readonly value: tf.Tensor4D }[],
  shape: readonly [number, number, number, number],
): tf.Tensor4D {
  return pieces
    .map(({ queries, keys, value }) => {
      const around = (size: number, { begin, end }: Range): [number, number] =>
        size === 1 ? [0, 0] : [begin, size - end];
      const [row, column] = [around(shape[2], queries), around(shape[3], keys)];
      if ([...row, ...column].every((count) => count === 0)) return value;
      return tf.pad(value, [[0, 0], [0, 0], row, column]) as tf.Tensor4D;
    })
    .reduce((a, b) => tf.add(a, b));
}
