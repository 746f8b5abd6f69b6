import * as tf from '@tensorflow/tfjs-core';
import { runPattern } from './core/run-pattern.js';
import { HIDDEN } from './core/score-part.js';
import { additiveMask } from './core/visibility.js';
import type { AttentionOptions, AttentionWithWeights } from './options.js';
import { causalPattern } from './patterns/pattern.js';
import { checkCall, checkPositive } from './validate.js';

export interface TopKAttentionOptions extends AttentionOptions {
  /** Keys that each query keeps: those with the largest scores. */
  readonly k: number;
}

/**
 * Causal attention in which every query keeps its `k` best keys: softmax over the k largest scores of the row, all of
 * them where fewer are visible. Zhao et al. 2019, "Explicit Sparse Transformer". Equal scores at the cut: the earlier
 * key stays. Gradients flow through kept scores only.
 *
 * Finding the best keys needs every score, so the work is dense; memory is that of one tile of queries.
 *
 * @param query `[batch, heads, queryLength, headDim]`
 * @param key `[batch, keyHeads, keyLength, headDim]`
 * @param value `[batch, keyHeads, keyLength, valueDim]`
 * @returns `[batch, heads, queryLength, valueDim]`, or `{ output, weights }` with `returnWeights: true`
 * @throws {ShapeMismatchError} when shapes do not fit together
 * @throws {AttentionOptionError} when `k` is no integer ≥ 1 or an option is unknown
 */
export function topKAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: TopKAttentionOptions & { readonly returnWeights: true },
): AttentionWithWeights;
export function topKAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: TopKAttentionOptions & { readonly returnWeights?: false },
): tf.Tensor4D;
export function topKAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: TopKAttentionOptions & { readonly returnWeights?: boolean },
): tf.Tensor4D | AttentionWithWeights {
  const sizes = checkCall(query, key, value, options, ['k', 'returnWeights']);
  checkPositive('k', options.k);
  const { k } = options;
  return runPattern({
    query,
    key,
    value,
    sizes,
    options,
    pattern: causalPattern,
    select: (scores) => hideAllBut(scores, k),
    scoresPerHead: sizes.queryLength * sizes.keyLength,
    tiles: null,
  });
}

/**
 * 0 for the k largest of each row, otherwise {@link HIDDEN}. Only the k-th value is taken from `topk`: which index a backend
 * puts first among equals is its own affair, and `topk` has no gradient anyway.
 */
function hideAllBut(scores: tf.Tensor, k: number): tf.Tensor {
  const columns = scores.shape.at(-1)!;
  if (k >= columns) return tf.zeros([1, 1, 1, 1]);
  return tf.tidy(() => {
    const threshold = tf.min(tf.topk(scores, k).values, -1, true);
    const above = tf.cast(tf.greater(scores, threshold), 'float32');
    // A score at or below HIDDEN / 2 is masked; a row with fewer than k visible keys keeps none of those.
    const isTied = tf.logicalAnd(tf.equal(scores, threshold), tf.greater(scores, HIDDEN / 2));
    const room = tf.sub(k, tf.sum(above, -1, true));
    const rank = tf.cumsum(tf.cast(isTied, 'float32'), scores.rank - 1); // 1 for the first of the equals
    const isKeptTie = tf.logicalAnd(isTied, tf.lessEqual(rank, room));
    return additiveMask(tf.logicalOr(tf.greater(above, 0), isKeptTie));
  });
}
