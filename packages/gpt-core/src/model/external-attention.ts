import type { AttentionPattern } from '@gpt-lineage/attention';
import { cachedAttention } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { LayerAttention } from '../config/layer-attention.js';

/**
 * Keys and values that live outside of the pass: it reads them, and hands its own out. That keeps the pass a pure
 * function, which can be captured once and run for every token.
 */
export type ExternalCache = SlotCache | GrowingCache;

/** A cache in which every token has the slot of its position. */
export interface SlotCache {
  /** For each layer `[batch, nKvHead, capacity, width]`; what `width` has beyond `headDim` stays zero. */
  readonly keys: readonly tf.Tensor4D[];
  readonly values: readonly tf.Tensor4D[];
  /** `[batch]` int32: the slot of each row's last new token */
  readonly last: tf.Tensor1D;
  /** `[total]` int32: 0, 1, …, the largest of `last` */
  readonly slots: tf.Tensor1D;
  /** `[batch, length]` int32: positions of the new tokens */
  readonly positionIds: tf.Tensor2D;
  /** Receives `keys` and `values` of each layer with the new ones in their slots. */
  readonly extended: { readonly keys: tf.Tensor4D; readonly values: tf.Tensor4D }[];
  /** Biases by pattern: the layers of one pattern share theirs. */
  readonly biases: Map<string, tf.Tensor4D>;
}

/** A cache that grows by concatenation, as exported models have it; rows may be padded on the left. */
export interface GrowingCache {
  /** For each layer `[batch, nKvHead, past, headDim]` */
  readonly past: readonly { readonly key: tf.Tensor4D; readonly value: tf.Tensor4D }[];
  /** `[batch, past + length]` int32: 0 = padding */
  readonly attentionMask: tf.Tensor2D;
  /** `[batch, length]` int32 */
  readonly positionIds: tf.Tensor2D;
  /** Receives the keys and values of all tokens, `[batch, nKvHead, past + length, headDim]`. */
  readonly present: { readonly key: tf.Tensor4D; readonly value: tf.Tensor4D }[];
  /** Masks by pattern */
  readonly masks: Map<string, tf.Tensor4D>;
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
  return 'past' in cache
    ? growingAttention(cache, layer, pattern, rule, query, key, value, scale)
    : slotAttention(cache, layer, pattern, rule, query, key, value, scale);
}

function growingAttention(
  cache: GrowingCache,
  layer: number,
  pattern: LayerAttention,
  rule: AttentionPattern,
  query: tf.Tensor4D,
  newKey: tf.Tensor4D,
  newValue: tf.Tensor4D,
  scale: number,
): tf.Tensor4D {
  const [batch, nHead, length, headDim] = query.shape;
  const nKvHead = newKey.shape[1];
  const past = cache.past[layer]!;
  const key = tf.concat([past.key, newKey], 2) as tf.Tensor4D;
  const value = tf.concat([past.value, newValue], 2) as tf.Tensor4D;
  cache.present[layer] = { key, value };
  const total = key.shape[2];
  // Heads that share keys stand below each other.
  const grouped = [batch, nKvHead, (nHead / nKvHead) * length];
  const q = tf.reshape(tf.mul(query, scale), [...grouped, headDim]);
  const scores = tf.reshape(tf.matMul(q, key, false, true), [batch, nHead, length, total]);
  const weights = tf.softmax(tf.add(scores, growingMask(cache, pattern, rule, total)));
  const context = tf.matMul(tf.reshape(weights, [...grouped, total]), value);
  return tf.reshape(context, [batch, nHead, length, headDim]) as tf.Tensor4D;
}

/** `[batch, 1, length, past + length]`: later tokens, padding and what the pattern hides. */
function growingMask(
  cache: GrowingCache,
  pattern: LayerAttention,
  rule: AttentionPattern,
  total: number,
): tf.Tensor4D {
  const name = JSON.stringify(pattern);
  const known = cache.masks.get(name);
  if (known) return known;
  const { attentionMask, positionIds } = cache;
  const [batch, length] = positionIds.shape;
  const slots = tf.reshape(tf.range(0, total, 1, 'int32'), [1, 1, 1, total]);
  const own = tf.add(tf.range(0, length, 1, 'int32'), tf.scalar(total - length, 'int32'));
  const earlier = tf.lessEqual(slots, tf.reshape(own, [1, 1, length, 1]));
  const real = tf.greater(tf.reshape(attentionMask, [batch, 1, 1, total]), 0);
  let visible = tf.logicalAnd(earlier, real);
  if (pattern.type !== 'dense') {
    // A key's position counts the real tokens before it.
    const counted = tf.sub(tf.cumsum(tf.cast(attentionMask, 'float32'), 1), 1);
    const keys = tf.reshape(tf.cast(counted, 'int32'), [batch, 1, 1, total]);
    visible = tf.logicalAnd(visible, rule.mask(tf.reshape(positionIds, [batch, 1, length, 1]), keys));
  }
  const mask = tf.mul(tf.sub(1, tf.cast(visible, 'float32')), hidden) as tf.Tensor4D;
  cache.masks.set(name, mask);
  return mask;
}

function slotAttention(
  cache: SlotCache,
  layer: number,
  pattern: LayerAttention,
  rule: AttentionPattern,
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  scale: number,
): tf.Tensor4D {
  const [batch, nHead, length, headDim] = query.shape;
  const { keys, values, last, slots } = cache;
  const width = keys[layer]!.shape[3];
  const spare: [number, number][] = [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, width - headDim],
  ];
  // [batch, heads, length, headDim] to [batch, length, heads * width]
  const flat = (x: tf.Tensor4D) => {
    const wide = width > headDim ? tf.pad(x, spare) : x;
    return tf.reshape(tf.transpose(wide, [0, 2, 1, 3]), [batch, length, x.shape[1] * width]) as tf.Tensor3D;
  };
  const { context, ...extended } = cachedAttention(
    {
      query: flat(query),
      key: flat(key),
      value: flat(value),
      keys: keys[layer]!,
      values: values[layer]!,
      last,
      slots,
      bias: pattern.type === 'dense' || pattern.type === 'banded' ? undefined : biasOf(cache, pattern, rule),
    },
    { nHead, scale, ...(pattern.type === 'banded' ? { window: pattern.window } : {}) },
  );
  cache.extended[layer] = extended;
  const heads = tf.reshape(context, [batch, length, nHead, width]);
  const filled = width > headDim ? tf.slice(heads, [0, 0, 0, 0], [-1, -1, -1, headDim]) : heads;
  return tf.transpose(filled, [0, 2, 1, 3]) as tf.Tensor4D;
}

/** `[batch, 1, length, total]`: what a pattern hides beyond the causal rule. */
function biasOf(cache: SlotCache, pattern: LayerAttention, rule: AttentionPattern): tf.Tensor4D {
  const name = JSON.stringify(pattern);
  const known = cache.biases.get(name);
  if (known) return known;
  const [batch, length] = cache.positionIds.shape;
  const queries = tf.reshape(cache.positionIds, [batch, 1, length, 1]);
  const visible = rule.mask(queries, tf.reshape(cache.slots, [1, 1, 1, -1]));
  const bias = tf.mul(tf.sub(1, tf.cast(visible, 'float32')), hidden) as tf.Tensor4D;
  cache.biases.set(name, bias);
  return bias;
}
