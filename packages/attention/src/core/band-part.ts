import * as tf from '@tensorflow/tfjs-core';
import type { ScorePart } from './score-part.js';
import { additiveMask, type PositionFeatures, partMask } from './visibility.js';
import { windowPart } from './window-part.js';

interface Band {
  readonly queryLength: number;
  readonly keyLength: number;
  readonly offset: number;
  /** Keys that a query sees, its own included. */
  readonly window: number;
  readonly block: number;
}

/** The last `window` keys of every query, by tiles of `block` queries. */
export function bandPart(features: PositionFeatures, band: Band, id = 0): ScorePart {
  const { queryLength, keyLength, window, block } = band;
  const keyBlocks = Math.ceil((window - 1) / block) + 1;
  const part = windowPart({ ...band, keyBlocks });
  const ranges = { queries: { begin: 0, end: queryLength }, keys: { begin: 0, end: keyLength } };
  const masks = [bandMask(window, block, keyBlocks), part.filling(), partMask(part, null, features, ranges)];
  const mask = masks.reduce((sum, x) => (sum === null || x === null ? (sum ?? x) : tf.add(sum, x)));
  return { ...part, keys: ranges.keys, mask, id };
}

/**
 * 0 inside the band and hidden outside: `[1, 1, 1, block, keyBlocks · block]`. Row r and column c of every tile are
 * (keyBlocks − 1)·block + r − c positions apart, so one small matrix serves all tiles.
 */
function bandMask(window: number, block: number, keyBlocks: number): tf.Tensor {
  return tf.tidy(() => {
    const row = tf.reshape(tf.range(0, block, 1, 'int32'), [1, 1, 1, block, 1]);
    const column = tf.reshape(tf.range(0, block * keyBlocks, 1, 'int32'), [1, 1, 1, 1, block * keyBlocks]);
    const distance = tf.sub(tf.add(row, tf.scalar((keyBlocks - 1) * block, 'int32')), column);
    return additiveMask(tf.logicalAnd(tf.greaterEqual(distance, 0), tf.less(distance, window)));
  });
}
