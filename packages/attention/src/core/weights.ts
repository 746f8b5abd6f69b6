import * as tf from '@tensorflow/tfjs-core';
import type { AttentionWithWeights } from '../options.js';
import type { AttendOptions } from './attend.js';
import { dropoutMask } from './dropout-mask.js';
import { HIDDEN, type Stage } from './score-part.js';
import { slicePositions, tileProduct } from './shapes.js';

/**
 * The same attention from plain operations, one `[batch, heads, queryLength, keyLength]` matrix at a time: for those who
 * want to look at the weights. `kept` are the weights after dropout. Runs the plan's stages, so masks, tiles and dropout are those of `attend`.
 */
export function attendWithWeights(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: AttendOptions,
): AttentionWithWeights & { readonly kept: tf.Tensor4D } {
  const keyLength = key.shape[2];
  const outputs: tf.Tensor4D[] = [];
  const keptWeights: tf.Tensor4D[] = [];
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
    const full = (x: tf.Tensor4D) => padKeys(x, stage, keyLength);
    weights.push(full(tile));
    if (options.dropout) keptWeights.push(full(kept as tf.Tensor4D));
  }
  const join = (pieces: tf.Tensor4D[]) => (pieces.length === 1 ? pieces[0]! : tf.concat(pieces, 2));
  const all = join(weights);
  return { output: join(outputs), weights: all, kept: options.dropout ? join(keptWeights) : all };
}

function padKeys(x: tf.Tensor4D, { keys }: Stage, keyLength: number): tf.Tensor4D {
  if (keys.begin === 0 && keys.end === keyLength) return x;
  return tf.pad(x, [
    [0, 0],
    [0, 0],
    [0, 0],
    [keys.begin, keyLength - keys.end],
  ]);
}

function sliceBroadcast(x: tf.Tensor4D, stage: Stage): tf.Tensor4D {
  const [batch, heads, rows, columns] = x.shape;
  const [row, rowCount] =
    rows === 1 ? [0, 1] : [stage.queries.begin, stage.queries.end - stage.queries.begin];
  const [column, columnCount] =
    columns === 1 ? [0, 1] : [stage.keys.begin, stage.keys.end - stage.keys.begin];
  if (rowCount === rows && columnCount === columns) return x;
  return tf.slice(x, [0, 0, row, column], [batch, heads, rowCount, columnCount]);
}
