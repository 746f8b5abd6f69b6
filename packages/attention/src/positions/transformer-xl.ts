import * as tf from '@tensorflow/tfjs-core';
import { scope } from '../core/scope.js';
import { denseAttention } from '../dense.js';
import { ShapeMismatchError } from '../errors.js';
import type { AttentionOptions, AttentionWithWeights } from '../options.js';
import type { AttentionPattern } from '../patterns/pattern.js';
import { checkInputs, checkOptionNames } from '../validate.js';
import { clampPositions, relativePositions } from './positions.js';
import { pickColumns, relativeShift } from './relative-shift.js';

export interface TransformerXLOptions extends AttentionOptions {
  /**
   * `[heads, distances, headDim]`: row n of a head is r_n = R_n·W_r, the projected sinusoid of distance n. At least
   * keyLength rows.
   */
  readonly positionKeys: tf.Tensor3D;
  /** u, `[heads, headDim]`: the query's stand-in towards contents. */
  readonly contentBias: tf.Tensor2D;
  /** v, `[heads, headDim]`: the query's stand-in towards distances. */
  readonly positionBias: tf.Tensor2D;
  /** Further rule on positions, such as `bandedPattern(memory + 1)`. */
  readonly pattern?: AttentionPattern;
}

/**
 * Transformer-XL's causal attention with segment memory: scores
 * (q_i·k_j + q_i·r_(i−j) + u·k_j + v·r_(i−j))/√headDim over the memory's keys and the segment's own. Dai et al. 2019,
 * "Transformer-XL", §3.3.
 *
 * The memory is whatever `key` and `value` hold before the segment: keyLength − queryLength positions, from 0 at the first
 * segment to any length at evaluation. Distances run over memory and segment alike. `SegmentMemory` keeps the states
 * between segments and stops their gradient.
 *
 * @param query `[batch, heads, queryLength, headDim]`, of the segment only
 * @param key `[batch, heads, memoryLength + queryLength, headDim]`, of memory and segment
 * @param value `[batch, heads, memoryLength + queryLength, valueDim]`
 * @returns `[batch, heads, queryLength, valueDim]`, or `{ output, weights }` with `returnWeights: true`
 * @throws {ShapeMismatchError} when shapes do not fit together
 */
export function transformerXLAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: TransformerXLOptions & { readonly returnWeights: true },
): AttentionWithWeights;
export function transformerXLAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: TransformerXLOptions & { readonly returnWeights?: false },
): tf.Tensor4D;
export function transformerXLAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: TransformerXLOptions & { readonly returnWeights?: boolean },
): tf.Tensor4D | AttentionWithWeights {
  const { heads, headDim, queryLength, keyLength } = checkInputs(query, key, value);
  checkOptionNames(options, ['positionKeys', 'contentBias', 'positionBias', 'pattern', 'returnWeights']);
  const { positionKeys, contentBias, positionBias, scale = 1 / Math.sqrt(headDim), ...rest } = options;
  if (
    positionKeys?.rank !== 3 ||
    positionKeys.shape[0] !== heads ||
    positionKeys.shape[1] < keyLength ||
    positionKeys.shape[2] !== headDim
  ) {
    throw new ShapeMismatchError(
      'positionKeys',
      `[${heads}, at least ${keyLength} distances, ${headDim}]`,
      positionKeys?.shape ?? [],
    );
  }
  for (const [name, bias] of Object.entries({ contentBias, positionBias })) {
    if (bias?.rank !== 2 || bias.shape[0] !== heads || bias.shape[1] !== headDim) {
      throw new ShapeMismatchError(name, `[${heads}, ${headDim}]`, bias?.shape ?? []);
    }
  }
  return scope(() => {
    const perHead = (x: tf.Tensor2D) => tf.reshape(x, [1, heads, 1, headDim]);
    const towardsContent = tf.add(query, perHead(contentBias)) as tf.Tensor4D;
    const towardsDistance = tf.mul(tf.add(query, perHead(positionBias)), scale) as tf.Tensor4D;
    const bias = distanceScores(towardsDistance, positionKeys, { queryLength, keyLength }, options);
    return denseAttention(towardsContent, key, value, {
      ...rest,
      scale,
      bias,
      causal: true,
    } as Parameters<typeof denseAttention>[3] & { returnWeights: true });
  }) as tf.Tensor4D | AttentionWithWeights;
}

/** (q_i + v)·r_(i−j), aligned with the keys: `[batch, heads, queryLength, keyLength]`. Later keys get anything. */
function distanceScores(
  query: tf.Tensor4D,
  positionKeys: tf.Tensor3D,
  { queryLength, keyLength }: { queryLength: number; keyLength: number },
  options: TransformerXLOptions,
): tf.Tensor4D {
  const distances = positionKeys.shape[1];
  const { queryOffset = Math.max(0, keyLength - queryLength), keyPositions } = options;
  const span = queryLength + keyLength - 1;
  if (typeof queryOffset === 'number' && keyPositions === undefined && queryOffset + queryLength <= span) {
    // Column c of the shifted layout is distance queryOffset + queryLength − 1 − c; below 0 the key lies ahead, hidden.
    const reach = queryOffset + queryLength;
    const available = Math.min(distances, reach);
    const [heads, , headDim] = positionKeys.shape;
    const used = tf.slice(positionKeys, [0, 0, 0], [heads, available, headDim]);
    const columns = tf.pad(perHeadProduct(query, tf.reverse(used, 1)), [
      [0, 0],
      [0, 0],
      [0, 0],
      [reach - available, span - reach],
    ]);
    return relativeShift(columns, keyLength) as tf.Tensor4D;
  }
  const distance = tf.neg(relativePositions(queryLength, keyLength, options));
  const index = clampPositions(distance, 0, distances - 1) as tf.Tensor2D;
  return pickColumns(perHeadProduct(query, positionKeys), index);
}

/** `[batch, heads, rows, headDim]` × `[heads, columns, headDim]`ᵀ → `[batch, heads, rows, columns]`. */
function perHeadProduct(x: tf.Tensor4D, matrix: tf.Tensor3D): tf.Tensor4D {
  const [batch, heads, rows, headDim] = x.shape;
  const columns = matrix.shape[1];
  if (batch === 1) {
    const product = tf.matMul(tf.reshape(x, [heads, rows, headDim]) as tf.Tensor3D, matrix, false, true);
    return tf.reshape(product, [1, heads, rows, columns]) as tf.Tensor4D;
  }
  const byHead = tf.reshape(tf.transpose(x, [1, 0, 2, 3]), [heads, batch * rows, headDim]) as tf.Tensor3D;
  const product = tf.matMul(byHead, matrix, false, true);
  return tf.transpose(tf.reshape(product, [heads, batch, rows, columns]), [1, 0, 2, 3]) as tf.Tensor4D;
}
