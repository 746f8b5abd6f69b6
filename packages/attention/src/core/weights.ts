import * as tf from '@tensorflow/tfjs-core';
import type { AttentionWithWeights } from '../options.js';
import type { AttendOptions } from './attend.js';
import { dropoutMask } from './dropout-mask.js';
import { HIDDEN } from './score-part.js';
import { slicePositions, tileProduct } from './shapes.js';

/**
 * The same attention from plain operations, one `[batch, heads, queryLength, keyLength]` matrix at a time: for those who
 * want to look at the weights. Runs the plan's stages, so masks, tiles and dropout are those of `attend`.
 */
export function attendWithWeights(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
): AttentionWithWeights {
  const keyLength = key.shape[2];
  const outputs: tf.Tensor4D[] = [];
  const weights: tf.Tensor4D[] = [];
  for (const stage of options.plan(options.context)) {
    const [part] = stage.parts();
    const rows = tf.mul(slicePositions(query, stage.queries), options.scale);
    let scores = tileProduct(rows, slicePositions(key, stage.keys), true) as tf.Tensor4D;
    if (bias !== null) scores = tf.add(scores, sliceBroadcast(bias, stage));
    if (part!.mask !== null) scores = tf.add(scores, part!.mask);
    if (part!.select) scores = tf.add(scores, part!.select(scores));
    const isSeen = tf.cast(tf.greaterEqual(tf.max(scores, -1, true), HIDDEN / 2), 'float32');
    const tile = tf.mul(tf.softmax(scores), isSeen) as tf.Tensor4D;
    const kept = options.dropout ? tf.mul(tile, dropoutMask(tile.shape, options.dropout, part!.id)) : tile;
    outputs.push(tileProduct(kept, slicePositions(value, stage.keys)) as tf.Tensor4D);
    const { begin, end } = stage.keys;
    weights.push(
      begin === 0 && end === keyLength
        ? tile
        : (tf.pad(tile, [
            [0, 0],
            [0, 0],
            [0, 0],
            [begin, keyLength - end],
          ]) as tf.Tensor4D),
    );
  }
  return {
    output: outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 2),
    weights: weights.length === 1 ? weights[0]! : tf.concat(weights, 2),
  };
}

function sliceBroadcast(
  x: tf.Tensor4D,
  stage: {
    queries: { begin: number; end: number };
    keys: { begin: number; end: number };
  },
): tf.Tensor4D {
  const [batch, heads, rows, columns] = x.shape;
  const [row, rowCount] =
    rows === 1 ? [0, 1] : [stage.queries.begin, stage.queries.end - stage.queries.begin];
  const [column, columnCount] =
    columns === 1 ? [0, 1] : [stage.keys.begin, stage.keys.end - stage.keys.begin];
  if (rowCount === rows && columnCount === columns) return x;
  return tf.slice(x, [0, 0, row, column], [batch, heads, rowCount, columnCount]);
}
