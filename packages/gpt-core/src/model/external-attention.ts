import type { AttentionPattern } from '@gpt-lineage/attention';
import * as tf from '@tensorflow/tfjs-core';
import type { LayerAttention } from '../config/layer-attention.js';

/**
 * Keys and values that live outside of the pass: it reads them, and hands its own out. That keeps the pass a pure
 * function, which can be captured once and run for every token, while the owner writes new keys into place.
 */
export interface ExternalCache {
  /** For each layer `[batch, nKvHead, headDim, capacity]`: transposed, so that scores need no transposition. */
  readonly keys: readonly tf.Tensor4D[];
  /** For each layer `[batch, nKvHead, capacity, headDim]` */
  readonly values: readonly tf.Tensor4D[];
  /** `[batch]` int32: how many slots of each row are filled. Slot = position. */
  readonly lengths: tf.Tensor1D;
  /** `[batch, length]` int32: positions of the new tokens, `lengths` and up. */
  readonly positionIds: tf.Tensor2D;
  /** Receives each layer's new keys and values, `[batch, nKvHead, length, headDim]`. */
  readonly fresh: { readonly key: tf.Tensor4D; readonly value: tf.Tensor4D }[];
  /** Masks by pattern: the layers of one pattern share theirs. */
  readonly masks: Map<string, { readonly past: tf.Tensor4D; readonly own: tf.Tensor4D }>;
}

const hidden = -1e9;

/**
 * Attention of new tokens to cached ones and to each other.
 *
 * @param query `[batch, nHead, length, headDim]`; `key` and `value` have `nKvHead` heads
 */
export function externalAttention(
  cache: ExternalCache,
  layer: number,
  pattern: LayerAttention,
  rule: AttentionPattern,
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  scale: number,
): tf.Tensor4D {
  cache.fresh[layer] = { key, value };
  const [batch, nHead, length, headDim] = query.shape;
  const nKvHead = key.shape[1];
  const group = nHead / nKvHead;
  const capacity = cache.values[layer]!.shape[2];
  const { past, own } = masksOf(cache, pattern, rule, capacity);

  // Heads that share keys stand below each other: [batch, nKvHead, group * length, headDim]
  const shared = [batch, nKvHead, group * length, headDim] as const;
  const q = tf.reshape(tf.mul(query, scale), [...shared]) as tf.Tensor4D;
  const perHead = (scores: tf.Tensor, keys: number) => tf.reshape(scores, [batch, nHead, length, keys]);
  const grouped = (weights: tf.Tensor, keys: number) =>
    tf.reshape(weights, [batch, nKvHead, group * length, keys]);

  const pastScores = tf.add(perHead(tf.matMul(q, cache.keys[layer]!), capacity), past);
  const ownScores = tf.add(perHead(tf.matMul(q, key, false, true), length), own);
  const weights = tf.softmax(tf.concat([pastScores, ownScores], 3));
  const [pastWeights, ownWeights] = tf.split(weights, [capacity, length], 3) as [tf.Tensor, tf.Tensor];
  const context = tf.add(
    tf.matMul(grouped(pastWeights, capacity) as tf.Tensor4D, cache.values[layer]!),
    tf.matMul(grouped(ownWeights, length) as tf.Tensor4D, value),
  );
  return tf.reshape(context, [batch, nHead, length, headDim]);
}

/** Additive masks `[batch, 1, length, capacity]` and `[batch, 1, length, length]`. */
function masksOf(
  cache: ExternalCache,
  pattern: LayerAttention,
  rule: AttentionPattern,
  capacity: number,
): { readonly past: tf.Tensor4D; readonly own: tf.Tensor4D } {
  const name = JSON.stringify(pattern);
  const known = cache.masks.get(name);
  if (known) return known;
  const [batch, length] = cache.positionIds.shape;
  const queries = tf.reshape(cache.positionIds, [batch, 1, length, 1]);
  const slots = tf.reshape(tf.range(0, capacity, 1, 'int32'), [1, 1, 1, capacity]);
  const filled = tf.less(slots, tf.reshape(cache.lengths, [batch, 1, 1, 1]));
  const additive = (visible: tf.Tensor) =>
    tf.mul(tf.sub(1, tf.cast(visible, 'float32')), hidden) as tf.Tensor4D;
  const masks = {
    // Every filled slot lies before the new tokens: a dense layer needs no further rule.
    past: additive(
      pattern.type === 'dense'
        ? tf.logicalAnd(filled, tf.onesLike(tf.cast(queries, 'bool')))
        : tf.logicalAnd(rule.mask(queries, slots), filled),
    ),
    own: additive(rule.mask(queries, tf.reshape(cache.positionIds, [batch, 1, 1, length]))),
  };
  cache.masks.set(name, masks);
  return masks;
}
