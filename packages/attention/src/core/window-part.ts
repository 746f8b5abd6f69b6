import * as tf from '@tensorflow/tfjs-core';
import type { ScorePart } from './score-part.js';
import { mergeHeads, padRows, slicePositions } from './shapes.js';

export interface WindowTiling {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Position of the first query among the keys. */
  readonly offset: number;
  /** Queries per tile. */
  readonly block: number;
  /** Key blocks per tile: the query block's own and those before it. */
  readonly keyBlocks: number;
}

/**
 * Tiles of `block` queries beside the `keyBlocks · block` keys that end with them:
 *
 *     keys     [k0][k1][k2][k3]        tile 2, keyBlocks 2:
 *     queries          [q2]            q2 × [k1 k2]
 *
 * Tile t holds the keys from `offset + (t − keyBlocks + 1) · block`; keys before the first or after the last are
 * filling, which the mask must hide. Keys before the first window or after the last query belong to no tile.
 */
export function windowPart({
  queryLength,
  keyLength,
  offset,
  block,
  keyBlocks,
}: WindowTiling): Omit<ScorePart, 'mask' | 'id'> {
  const tiles = Math.ceil(queryLength / block);
  const first = Math.max(0, offset - (keyBlocks - 1) * block);
  const length = Math.min(keyLength, offset + queryLength) - first;
  const before = (keyBlocks - 1) * block - (offset - first);
  const after = (tiles + keyBlocks - 1) * block - before - length;
  return {
    takeQueries(x, padding = 0) {
      const [batch, heads, length, features] = x.shape;
      const padded = padRows(mergeHeads(x), 0, tiles * block - length, padding);
      return tf.reshape(padded, [batch, heads, tiles, block, features]);
    },
    putQueries(view) {
      const [batch, heads, , , features] = view.shape as [number, number, number, number, number];
      const rows = tf.reshape(view, [batch, heads, tiles * block, features]) as tf.Tensor4D;
      return tiles * block === queryLength
        ? rows
        : tf.slice(rows, [0, 0, 0, 0], [batch, heads, queryLength, features]);
    },
    takeKeys(x) {
      const [batch, heads, , features] = x.shape;
      const groups = batch * heads;
      const used = slicePositions(x, { begin: first, end: first + length });
      const blocks = tf.reshape(padRows(mergeHeads(used), before, after), [
        groups,
        tiles + keyBlocks - 1,
        block * features,
      ]) as tf.Tensor3D;
      // Shifted copies side by side: neighbouring tiles share keyBlocks − 1 blocks.
      const shifts = Array.from({ length: keyBlocks }, (_, shift) =>
        tf.slice(blocks, [0, shift, 0], [groups, tiles, block * features]),
      );
      const joined = keyBlocks === 1 ? shifts[0]! : tf.concat(shifts, 2); // [groups, tiles, keyBlocks·block·features]
      return tf.reshape(joined, [batch, heads, tiles, keyBlocks * block, features]);
    },
    addKeys(view) {
      const [batch, heads, , , features] = view.shape as [number, number, number, number, number];
      const groups = batch * heads;
      const width = block * features;
      const joined = tf.reshape(view, [groups, tiles, keyBlocks * width]) as tf.Tensor3D;
      const shifts = Array.from({ length: keyBlocks }, (_, shift) =>
        padRows(
          tf.slice(joined, [0, 0, shift * width], [groups, tiles, width]),
          shift,
          keyBlocks - 1 - shift,
        ),
      );
      const blocks = keyBlocks === 1 ? shifts[0]! : tf.addN(shifts); // [groups, tiles + keyBlocks − 1, width]
      const rows = tf.reshape(blocks, [groups, (tiles + keyBlocks - 1) * block, features]) as tf.Tensor3D;
      const used = tf.slice(rows, [0, before, 0], [groups, length, features]);
      const all = padRows(used, first, keyLength - first - length);
      return tf.reshape(all, [batch, heads, keyLength, features]) as tf.Tensor4D;
    },
  };
}
