import * as tf from '@tensorflow/tfjs-core';
import { ShapeMismatchError } from '../errors.js';
import type { Position } from '../options.js';

/** Positions of the rows of a batch as float32 `[batch or 1, 1, length, 1]`. */
export function checkedPositions(
  positions: tf.Tensor | undefined,
  offset: Position,
  batch: number,
  length: number,
): tf.Tensor4D {
  if (positions === undefined) {
    const first = typeof offset === 'number' ? tf.scalar(offset) : tf.cast(tf.reshape(offset, []), 'float32');
    return tf.reshape(tf.add(tf.range(0, length, 1, 'float32'), first), [1, 1, length, 1]);
  }
  const rows = positions.rank === 2 ? positions.shape[0]! : 1;
  if (
    positions.size !== rows * length ||
    positions.shape.at(-1) !== length ||
    (rows !== 1 && rows !== batch)
  ) {
    throw new ShapeMismatchError('positions', `[${length}] or [${batch}, ${length}]`, positions.shape);
  }
  return tf.reshape(tf.cast(positions, 'float32'), [rows, 1, length, 1]);
}

/** Where queries and keys lie, for biases that depend on their distance. */
export interface DistanceOptions {
  /** Position of the first query. Default keyLength − queryLength. An int32 scalar in a captured step. */
  readonly queryOffset?: Position;
  /** `[keyLength]` int32 when keys are not in order (ring buffers). */
  readonly keyPositions?: tf.Tensor;
}

/** key − query as int32 `[queryLength, keyLength]`. */
export function relativePositions(
  queryLength: number,
  keyLength: number,
  { queryOffset = Math.max(0, keyLength - queryLength), keyPositions }: DistanceOptions,
): tf.Tensor2D {
  const first =
    typeof queryOffset === 'number' ? tf.scalar(queryOffset, 'int32') : tf.reshape(queryOffset, []);
  const query = tf.add(tf.range(0, queryLength, 1, 'int32'), first);
  const key = keyPositions ?? tf.range(0, keyLength, 1, 'int32');
  return tf.sub(tf.reshape(key, [1, keyLength]), tf.reshape(query, [queryLength, 1])) as tf.Tensor2D;
}

/** int32 `x` held in `low … high`. Not `clipByValue`: the WASM backend reads its int32 input as floats. */
export function clampPositions<T extends tf.Tensor>(x: T, low: number, high: number): T {
  return tf.minimum(tf.maximum(x, tf.scalar(low, 'int32')), tf.scalar(high, 'int32')) as T;
}
