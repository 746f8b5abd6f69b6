import * as tf from '@tensorflow/tfjs-core';
import type { Position } from '../options.js';

/** Where the keys that `KVCache.append` returns lie: spread it into the options of any attention. */
export interface CachedPositions {
  readonly queryOffset: Position;
  readonly keyPositions?: tf.Tensor1D;
  readonly paddingMask?: tf.Tensor2D;
}

export interface CachedKeys {
  /** `[batch, nKvHead, keyLength, headDim]` */
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  readonly positions: CachedPositions;
  /** Position of the first key when keys are in order. */
  readonly firstPosition: number;
}

/**
 * Writes `[batch, heads, count, features]` into slots `position … position + count − 1` (modulo `slots`) of a buffer.
 * One scatter over rows: a copy of the buffer and nothing more, which an executor may do in place.
 */
export function writeSlots(
  buffer: tf.Tensor,
  fresh: tf.Tensor4D,
  position: Position,
  slots: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const [batch, heads, count, features] = fresh.shape;
    const rows = tf.reshape(tf.range(0, batch * heads, 1, 'int32'), [batch * heads, 1]);
    const steps = tf.range(0, count, 1, 'int32');
    const slot =
      typeof position === 'number'
        ? tf.tensor1d(
            Array.from({ length: count }, (_, i) => (position + i) % slots),
            'int32',
          )
        : tf.mod(tf.add(steps, tf.reshape(position, [])), tf.scalar(slots, 'int32'));
    const indices = tf.add(tf.mul(rows, tf.scalar(slots, 'int32')), slot); // [batch·heads, count]
    const flat = tf.reshape(buffer, [batch * heads * slots, features]);
    const written = tf.tensorScatterUpdate(
      // The cpu backend's kernel writes into its input, which forks and earlier results share.
      tf.getBackend() === 'cpu' ? tf.add(flat, 0) : flat,
      tf.reshape(indices, [batch * heads * count, 1]),
      tf.reshape(fresh, [batch * heads * count, features]),
    );
    return tf.reshape(written, [batch, heads, slots, features]) as tf.Tensor4D;
  });
}

/** The position that each slot of a ring holds once `length` tokens have been written; −1 where none has. */
export function ringPositions(length: tf.Tensor, slots: number): tf.Tensor1D {
  return tf.tidy(() => {
    const size = tf.scalar(slots, 'int32');
    const last = tf.sub(length, tf.scalar(1, 'int32'));
    const age = tf.mod(tf.sub(tf.add(last, size), tf.range(0, slots, 1, 'int32')), size);
    return tf.maximum(tf.sub(last, age), tf.scalar(-1, 'int32')) as tf.Tensor1D;
  });
}
