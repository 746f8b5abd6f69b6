import * as tf from '@tensorflow/tfjs-core';
import type { Position } from '../options.js';
import { type CachedKeys, ringPositions, writeSlots } from './slots.js';

/** What one layer keeps: every position up to `capacity`, or the last `window` of them in a ring. */
export type CacheLayer =
  | { readonly kind: 'full'; readonly capacity: number }
  | {
      readonly kind: 'window';
      /** Keys that a query sees, its own included, as in `bandedAttention`. */
      readonly window: number;
      /** Tokens that `KVCache.rewind` can take back from a full ring. Default 0. */
      readonly slack?: number;
    };

/** One layer of a cache and its buffers. */
export interface LayerState {
  readonly spec: CacheLayer;
  readonly slots: number;
  /** `[batch, nKvHead, slots, headDim]` */
  readonly key: tf.Variable<tf.Rank.R4>;
  readonly value: tf.Variable<tf.Rank.R4>;
}

/** Writes new tokens into a layer's buffers and gives every key and value that they may see. */
export function appendToLayer(
  state: LayerState,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  position: Position,
): CachedKeys {
  if (state.spec.kind === 'full') return appendFull(state, key, value, position);
  return typeof position === 'number'
    ? appendRingInOrder(state, key, value, position)
    : appendRingAnywhere(state, key, value, position);
}

function appendFull(state: LayerState, key: tf.Tensor4D, value: tf.Tensor4D, position: Position): CachedKeys {
  const [newKey, newValue] = [
    writeSlots(state.key, key, position, state.slots),
    writeSlots(state.value, value, position, state.slots),
  ];
  state.key.assign(newKey);
  state.value.assign(newValue);
  const firstPosition = 0;
  if (typeof position !== 'number') {
    return { key: newKey, value: newValue, positions: { queryOffset: tf.clone(position) }, firstPosition };
  }
  if (position === 0) {
    return { key: tf.clone(key), value: tf.clone(value), positions: { queryOffset: 0 }, firstPosition };
  }
  const end = position + key.shape[2];
  const upTo = (x: tf.Tensor4D): tf.Tensor4D =>
    tf.slice(x, [0, 0, 0, 0], [x.shape[0], x.shape[1], end, x.shape[3]]);
  return { key: upTo(newKey), value: upTo(newValue), positions: { queryOffset: position }, firstPosition };
}

/** Position known now: the ring is unrolled, so that keys come in order and tiled attention can be used. */
function appendRingInOrder(
  state: LayerState,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  position: number,
): CachedKeys {
  const { slots } = state;
  const { window } = state.spec as { window: number };
  const count = key.shape[2];
  const kept = Math.min(count, slots);
  const seen = Math.min(position, window - 1);
  const firstPosition = position - seen;
  const [before, after] = [
    [state.key, key],
    [state.value, value],
  ].map(([buffer, fresh]) => {
    const [batch, heads, , features] = buffer!.shape as [number, number, number, number];
    const cut = (begin: number, end: number): tf.Tensor4D[] =>
      begin < end
        ? [tf.slice(buffer as tf.Tensor4D, [0, 0, begin, 0], [batch, heads, end - begin, features])]
        : [];
    const first = firstPosition % slots;
    const past =
      first + seen <= slots
        ? cut(first, first + seen)
        : [...cut(first, slots), ...cut(0, first + seen - slots)];
    return past.length === 0 ? tf.clone(fresh as tf.Tensor4D) : tf.concat([...past, fresh as tf.Tensor4D], 2);
  }) as [tf.Tensor4D, tf.Tensor4D];
  const last = (x: tf.Tensor4D): tf.Tensor4D =>
    kept === count ? x : tf.slice(x, [0, 0, count - kept, 0], [x.shape[0], x.shape[1], kept, x.shape[3]]);
  state.key.assign(writeSlots(state.key, last(key), position + count - kept, slots));
  state.value.assign(writeSlots(state.value, last(value), position + count - kept, slots));
  return { key: before, value: after, positions: { queryOffset: seen }, firstPosition };
}

/** Position only known when the step runs: the ring stays as it lies, and every slot says which position it holds. */
function appendRingAnywhere(
  state: LayerState,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  position: tf.Tensor,
): CachedKeys {
  const { slots } = state;
  const count = key.shape[2];
  const start = tf.reshape(position, []) as tf.Scalar;
  // One new token may replace the one that leaves the window; more would replace keys that the first still sees.
  const isSingle = count === 1;
  const past = ringPositions(isSingle ? tf.add(start, 1) : start, slots);
  const [oldKey, oldValue] = [tf.clone(state.key), tf.clone(state.value)] as tf.Tensor4D[];
  const [newKey, newValue] = [
    writeSlots(state.key, key, start, slots),
    writeSlots(state.value, value, start, slots),
  ];
  state.key.assign(newKey);
  state.value.assign(newValue);
  const queryOffset = tf.clone(start);
  if (isSingle) {
    return { key: newKey, value: newValue, positions: { queryOffset, keyPositions: past }, firstPosition: 0 };
  }
  return {
    key: tf.concat([oldKey!, key], 2),
    value: tf.concat([oldValue!, value], 2),
    positions: {
      queryOffset,
      keyPositions: tf.concat([past, tf.add(tf.range(0, count, 1, 'int32'), start) as tf.Tensor1D]),
    },
    firstPosition: 0,
  };
}
