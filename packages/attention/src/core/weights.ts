import * as tf from '@tensorflow/tfjs-core';
import type { AttentionWithWeights } from '../options.js';
import type { AttendOptions } from './attend.js';
import { sliceBias } from './bias.js';
import { dropoutMask } from './dropout-mask.js';
import { HIDDEN } from './score-part.js';
import { type Range, slicePositions, tileProduct } from './shapes.js';

/**
 * The same attention from plain operations, a tile of queries at a time with all its keys: for those who want to look at
 * the weights. Takes a plan of one part per stage. `kept` are the weights after dropout.
 */
export function attendWithWeights(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  bias: tf.Tensor4D | null,
  options: Omit<AttendOptions, 'keepWeights'>,
): AttentionWithWeights & { readonly kept: tf.Tensor4D } {
  const keyLength = key.shape[2];
  const outputs: tf.Tensor4D[] = [];
  const weights: tf.Tensor4D[] = [];
  const keptWeights: tf.Tensor4D[] = [];
  for (const { queries, parts } of options.plan(options.context)) {
    const part = parts[0]!();
    const rows = tf.mul(slicePositions(query, queries), options.scale);
    let scores = tileProduct(rows, slicePositions(key, part.keys), true) as tf.Tensor4D;
    if (bias !== null) scores = tf.add(scores, sliceBias(bias, queries, part.keys));
    if (part.mask !== null) scores = tf.add(scores, part.mask);
    if (part.select) scores = tf.add(scores, part.select(scores));
    const isSeen = tf.cast(tf.greaterEqual(tf.max(scores, -1, true), HIDDEN / 2), 'float32');
    const tile = tf.mul(tf.softmax(scores), isSeen) as tf.Tensor4D;
    const kept = options.dropout ? tf.mul(tile, dropoutMask(tile.shape, options.dropout, part.id)) : tile;
    outputs.push(tileProduct(kept, slicePositions(value, part.keys)) as tf.Tensor4D);
    weights.push(padKeys(tile, part.keys, keyLength));
    if (options.dropout) keptWeights.push(padKeys(kept as tf.Tensor4D, part.keys, keyLength));
  }
  const join = (pieces: tf.Tensor4D[]) => (pieces.length === 1 ? pieces[0]! : tf.concat(pieces, 2));
  const all = join(weights);
  return { output: join(outputs), weights: all, kept: options.dropout ? join(keptWeights) : all };
}

function padKeys(x: tf.Tensor4D, keys: Range, keyLength: number): tf.Tensor4D {
  if (keys.begin === 0 && keys.end === keyLength) return x;
  return tf.pad(x, [
    [0, 0],
    [0, 0],
    [0, 0],
    [keys.begin, keyLength - keys.end],
  ]);
}
