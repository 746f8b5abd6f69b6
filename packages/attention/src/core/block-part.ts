import * as tf from '@tensorflow/tfjs-core';
import type { TileLayout } from './score-part.js';
import { mergeHeads, padRows } from './shapes.js';

/**
 * One tile per block of `stride` positions: the block's queries beside the block's keys.
 *
 * @param offset position of the first query; keys start at position 0
 */
export function blockPart(
  queryLength: number,
  keyLength: number,
  offset: number,
  stride: number,
): TileLayout {
  const firstBlock = Math.floor(offset / stride);
  const tiles = Math.floor((offset + queryLength - 1) / stride) - firstBlock + 1;
  const begin = firstBlock * stride;
  // Keys from the first query's block on; those before it belong to no tile.
  const length = Math.min(keyLength, begin + tiles * stride) - begin;
  const queries = tileLayout(tiles, stride, offset - begin);
  const keys = tileLayout(tiles, stride, 0);
  return {
    takeQueries: queries.take,
    putQueries: (view) => queries.put(view, queryLength),
    takeKeys(x) {
      const [batch, heads, , features] = x.shape;
      const own =
        begin === 0 && length === keyLength
          ? x
          : tf.slice(x, [0, 0, begin, 0], [batch, heads, length, features]);
      return keys.take(own);
    },
    addKeys(view) {
      const own = keys.put(view, length);
      if (begin === 0 && length === keyLength) return own;
      const [batch, heads, , features] = own.shape;
      const padded = padRows(mergeHeads(own), begin, keyLength - begin - length);
      return tf.reshape(padded, [batch, heads, keyLength, features]) as tf.Tensor4D;
    },
  };
}

/** `[batch, heads, length, features]` ↔ `[batch, heads, tiles, stride, features]`, with `before` filled places first. */
function tileLayout(tiles: number, stride: number, before: number) {
  return {
    take(x: tf.Tensor4D, padding = 0): tf.Tensor {
      const [batch, heads, length, features] = x.shape;
      const padded = padRows(mergeHeads(x), before, tiles * stride - before - length, padding);
      return tf.reshape(padded, [batch, heads, tiles, stride, features]);
    },
    put(view: tf.Tensor, length: number): tf.Tensor4D {
      const [batch, heads, , , features] = view.shape as [number, number, number, number, number];
      const rows = tf.reshape(view, [batch, heads, tiles * stride, features]) as tf.Tensor4D;
      return length === tiles * stride
        ? rows
        : tf.slice(rows, [0, 0, before, 0], [batch, heads, length, features]);
    },
  };
}
