import * as tf from '@tensorflow/tfjs-core';
import type { TileLayout } from './score-part.js';
import { mergeHeads, padRows, slicePositions } from './shapes.js';
import { additiveMask } from './visibility.js';

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
 * Tile t begins with the key at `offset + (t − keyBlocks + 1) · block`. Columns without a key hold any other key: `filling`
 * hides them. Keys before the first window or after the last query belong to no tile.
 */
export function windowPart({ queryLength, keyLength, offset, block, keyBlocks }: WindowTiling): TileLayout & {
  /** 0, or hidden where a column holds no key: `[1, 1, tiles, 1, keyBlocks · block]`. */
  readonly filling: () => tf.Tensor;
} {
  const tiles = Math.ceil(queryLength / block);
  const columns = keyBlocks * block;
  // Positions relative to the first key of the first tile, which may lie before the first key there is.
  const origin = offset - (keyBlocks - 1) * block;
  const first = Math.max(0, origin);
  const length = Math.min(keyLength, offset + queryLength) - first;
  // Whole blocks without any key are not made; the first block with keys may begin with filling.
  const missing = Math.floor((first - origin) / block);
  const before = first - origin - missing * block;
  const blocks = Math.ceil((before + length) / block);
  const after = blocks * block - before - length;
  return {
    takeQueries(x, padding = 0) {
      const [batch, heads, count, features] = x.shape;
      const padded = padRows(mergeHeads(x), 0, tiles * block - count, padding);
      return tf.reshape(padded, [batch, heads, tiles, block, features]);
    },
    putQueries(view) {
      const [batch, heads, , , features] = view.shape as [number, number, number, number, number];
      const rows = tf.reshape(view, [batch, heads, tiles * block, features]) as tf.Tensor4D;
      return slicePositions(rows, { begin: 0, end: queryLength });
    },
    takeKeys(x) {
      const [batch, heads, , features] = x.shape;
      const used = mergeHeads(slicePositions(x, { begin: first, end: first + length }));
      const width = block * features;
      const grid = tf.reshape(padRows(used, before, after), [batch * heads, blocks, width]);
      const index = Int32Array.from({ length: tiles * keyBlocks }, (_, i) => {
        const at = Math.floor(i / keyBlocks) + (i % keyBlocks) - missing;
        return Math.max(0, Math.min(blocks - 1, at));
      });
      const gathered = keyBlocks === 1 ? grid : tf.gather(grid, tf.tensor1d(index, 'int32'), 1);
      return tf.reshape(gathered, [batch, heads, tiles, columns, features]);
    },
    addKeys(view) {
      const [batch, heads, , , features] = view.shape as [number, number, number, number, number];
      const width = block * features;
      const joined = tf.reshape(view, [batch * heads, tiles, keyBlocks * width]) as tf.Tensor3D;
      const shifts = Array.from({ length: keyBlocks }, (_, shift) => {
        // Tile t's column block `shift` is key block t + shift − missing. Hidden columns have gradient 0 and are dropped.
        const begin = Math.max(0, missing - shift);
        const end = Math.min(tiles, blocks + missing - shift);
        if (begin >= end) return null;
        const own = tf.slice(joined, [0, begin, shift * width], [batch * heads, end - begin, width]);
        const at = begin + shift - missing;
        return padRows(own, at, blocks - at - (end - begin));
      }).filter((x) => x !== null);
      const grid = shifts.length === 1 ? shifts[0]! : tf.addN(shifts); // [groups, blocks, width]
      const rows = tf.reshape(grid, [batch * heads, blocks * block, features]) as tf.Tensor3D;
      const used =
        before + after === 0 ? rows : tf.slice(rows, [0, before, 0], [batch * heads, length, features]);
      return tf.reshape(padRows(used, first, keyLength - first - length), [
        batch,
        heads,
        keyLength,
        features,
      ]) as tf.Tensor4D;
    },
    filling() {
      return tf.tidy(() => {
        const tile = tf.reshape(tf.range(0, tiles * block, block, 'int32'), [1, 1, tiles, 1, 1]);
        const column = tf.reshape(tf.range(0, columns, 1, 'int32'), [1, 1, 1, 1, columns]);
        const position = tf.add(tile, tf.add(column, tf.scalar(origin, 'int32')));
        return additiveMask(
          tf.logicalAnd(tf.greaterEqual(position, first), tf.less(position, first + length)),
        );
      });
    },
  };
}
