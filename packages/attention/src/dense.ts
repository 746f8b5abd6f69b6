import { isCapturing } from '@gpt-lineage/compute';
import type * as tf from '@tensorflow/tfjs-core';
import { attend, isTaping } from './core/attend.js';
import { densePlan } from './core/dense-plan.js';
import { resolveDropout } from './core/dropout-mask.js';
import { type Attend, attendInOneCall, fitsOneCall } from './core/one-call.js';
import { scope } from './core/scope.js';
import { asRank4, visibilityOf } from './core/visibility.js';
import { attendWithWeights } from './core/weights.js';
import type { AttentionWithWeights, DenseAttentionOptions } from './options.js';
import { causalPattern, intersect } from './patterns/pattern.js';
import { type AttentionSizes, checkCall, checkDenseOptions } from './validate.js';

const OPTIONS = ['causal', 'pattern', 'mask', 'bias', 'queryTile', 'keyTile', 'returnWeights'];

/**
 * Scaled dot-product attention: softmax(Q·Kᵀ/√headDim)·V. Vaswani et al. 2017, "Attention Is All You Need", eq. 1.
 *
 * Scores are made a tile at a time, and made again in the backward pass when they are many: memory then grows with the
 * length and not with its square. Causal tiles skip the keys that come after them. Key and value may have fewer heads than
 * the query (grouped-query attention: head h reads key head ⌊h·keyHeads/heads⌋) and another length (cross attention).
 * Without a gradient, calls that come again with the same shapes and options run as one native graph where there is one.
 *
 * @param query `[batch, heads, queryLength, headDim]`, float32; stays the caller's, as all inputs
 * @param key `[batch, keyHeads, keyLength, headDim]`; keyHeads divides heads
 * @param value `[batch, keyHeads, keyLength, valueDim]`
 * @returns `[batch, heads, queryLength, valueDim]`, or `{ output, weights }` with `returnWeights: true`
 * @throws {ShapeMismatchError} when shapes do not fit together
 * @throws {AttentionOptionError} when an option is unknown or out of range
 */
export function denseAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: DenseAttentionOptions & { readonly returnWeights: true },
): AttentionWithWeights;
export function denseAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options?: DenseAttentionOptions & { readonly returnWeights?: false },
): tf.Tensor4D;
export function denseAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: DenseAttentionOptions & { readonly returnWeights?: boolean } = {},
): tf.Tensor4D | AttentionWithWeights {
  const sizes = checkCall(query, key, value, options, OPTIONS);
  checkDenseOptions(options, sizes);
  if (!fitsOneCall(options, sizes)) return attendDense(query, key, value, options, sizes);
  const attend = (...call: Parameters<Attend>) => attendDense(...call, sizes, true) as tf.Tensor4D;
  return attendInOneCall(attend, [query, key, value], options, sizes);
}

/**
 * The same without checks, operation by operation.
 *
 * @param isOneCall the operations are recorded for one graph of exactly these shapes
 */
export function attendDense(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: DenseAttentionOptions & { readonly returnWeights?: boolean },
  sizes: AttentionSizes,
  isOneCall = false,
): tf.Tensor4D | AttentionWithWeights {
  const { causal = false, scale = 1 / Math.sqrt(sizes.headDim), bias, queryTile, keyTile } = options;
  const pattern =
    causal && options.pattern ? intersect(causalPattern, options.pattern) : (options.pattern ?? null);
  const visibility = visibilityOf(options, sizes);
  // One operation with product and mask, where nothing comes between them.
  const scaleScores =
    isOneCall &&
    causal &&
    isCapturing() &&
    visibility.context.length === 0 &&
    !bias &&
    sizes.heads === sizes.keyHeads;
  const plan = densePlan({
    sizes,
    visibility,
    pattern: causal ? (pattern ?? causalPattern) : pattern,
    causal,
    ...(queryTile === undefined ? {} : { queryTile }),
    ...(options.returnWeights ? { keyTile: sizes.keyLength } : keyTile === undefined ? {} : { keyTile }),
    ...(isOneCall ? { sharedMask: true } : {}),
    // Without a gradient one softmax over all keys is faster. Dropout draws per part, and must be the same always.
    apartFromDiagonal: isTaping() && !options.returnWeights && !options.dropout,
  });
  return scope(() => {
    const attendOptions = {
      scale,
      mayHideRows: visibility.mayHideRows,
      dropout: resolveDropout(options),
      context: visibility.context,
      ...plan,
      scaleScores,
    };
    const bias4 = bias === undefined ? null : asRank4(bias);
    return options.returnWeights
      ? attendWithWeights(query, key, value, bias4, attendOptions)
      : attend(query, key, value, bias4, attendOptions);
  });
}
