import * as tf from '@tensorflow/tfjs-core';
import { densePlan } from '../core/dense-plan.js';
import { resolveDropout } from '../core/dropout-mask.js';
import { scope } from '../core/scope.js';
import { visibilityOf } from '../core/visibility.js';
import { attendWithWeights } from '../core/weights.js';
import { ShapeMismatchError } from '../errors.js';
import type { AttentionOptions, AttentionWithWeights } from '../options.js';
import { type AttentionPattern, causalPattern, intersect } from '../patterns/pattern.js';
import { type AttentionSizes, checkInputs, checkOptionNames, checkOptions } from '../validate.js';
import { clampPositions, relativePositions } from './positions.js';
import { pickColumns, relativeShift, relativeUnshift, sumColumns } from './relative-shift.js';

export interface ShawAttentionOptions extends AttentionOptions {
  /** `[2·maxDistance + 1, headDim]`, shared by all heads: row r belongs to clip(j − i) = r − maxDistance. */
  readonly relativeKeys: tf.Tensor2D;
  /** `[2·maxDistance + 1, valueDim]`. Default: none (keys only). */
  readonly relativeValues?: tf.Tensor2D;
  /** Hide keys after the query. Default false. */
  readonly causal?: boolean;
  /** Further rule on positions, such as `bandedPattern(window)`. */
  readonly pattern?: AttentionPattern;
}

/**
 * Attention with relative positions in keys and values: scores (k_j + a_clip(j−i))·q_i/√headDim, outputs
 * Σ weights·(v_j + b_clip(j−i)). Shaw et al. 2018, "Self-Attention with Relative Position Representations", eq. 3 and 4.
 *
 * The terms are made from `[…, queryLength, 2·maxDistance + 1]` products that a reshape then aligns with the keys: no
 * `[queryLength, keyLength, headDim]` tensor exists.
 *
 * @param query `[batch, heads, queryLength, headDim]`
 * @param key `[batch, keyHeads, keyLength, headDim]`
 * @param value `[batch, keyHeads, keyLength, valueDim]`
 * @returns `[batch, heads, queryLength, valueDim]`, or `{ output, weights }` with `returnWeights: true`
 * @throws {ShapeMismatchError} when shapes do not fit together
 */
export function shawAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: ShawAttentionOptions & { readonly returnWeights: true },
): AttentionWithWeights;
export function shawAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: ShawAttentionOptions & { readonly returnWeights?: false },
): tf.Tensor4D;
export function shawAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: ShawAttentionOptions & { readonly returnWeights?: boolean },
): tf.Tensor4D | AttentionWithWeights {
  const sizes = checkInputs(query, key, value);
  checkOptionNames(options, ['relativeKeys', 'relativeValues', 'causal', 'pattern', 'returnWeights']);
  checkOptions(options, sizes);
  const { relativeKeys, relativeValues, causal = false, scale = 1 / Math.sqrt(sizes.headDim) } = options;
  checkTable('relativeKeys', relativeKeys, sizes.headDim);
  if (relativeValues) {
    checkTable('relativeValues', relativeValues, value.shape[3], relativeKeys.shape[0]);
  }
  const own = options.pattern ? [options.pattern] : [];
  const patterns = causal ? [causalPattern, ...own] : own;
  const pattern = patterns.length === 0 ? null : intersect(...(patterns as [AttentionPattern]));
  const visibility = visibilityOf(options, sizes);
  return scope(() => {
    const layout = distanceLayout(sizes, options, (relativeKeys.shape[0] - 1) / 2);
    // qᵢ·a_r for every r, then each row moved so that column j holds r = clip(j − i).
    const products = perRow(tf.mul(query, scale), tf.transpose(relativeKeys));
    const attended = attendWithWeights(query, key, value, layout.toKeys(products), {
      scale,
      mayHideRows: visibility.mayHideRows,
      dropout: resolveDropout(options),
      context: visibility.context,
      ...densePlan({
        sizes,
        visibility,
        pattern,
        causal,
        queryTile: sizes.queryLength,
        keyTile: sizes.keyLength,
      }),
    });
    let { output } = attended;
    if (relativeValues) {
      const sums = layout.toDistances(attended.kept); // [batch, heads, queryLength, 2·maxDistance + 1]
      output = tf.add(output, perRow(sums, relativeValues));
    }
    return options.returnWeights ? { output, weights: attended.weights } : output;
  });
}

/** The same matrix for every row of every head: `[…, rows, inner]` × `[inner, columns]`. */
function perRow(x: tf.Tensor, matrix: tf.Tensor2D): tf.Tensor4D {
  const product = tf.matMul(tf.reshape(x, [-1, matrix.shape[0]]), matrix);
  const shape = [...x.shape.slice(0, -1), matrix.shape[1]];
  return tf.reshape<tf.Rank.R4>(product, shape as [number, number, number, number]);
}

interface DistanceLayout {
  /** `[…, queryLength, 2·maxDistance + 1]` → `[…, queryLength, keyLength]` */
  toKeys(x: tf.Tensor4D): tf.Tensor4D;
  /** The adjoint: sums the columns of each clipped distance. */
  toDistances(x: tf.Tensor4D): tf.Tensor4D;
}

function distanceLayout(
  sizes: AttentionSizes,
  options: ShawAttentionOptions,
  maxDistance: number,
): DistanceLayout {
  const { queryLength, keyLength } = sizes;
  const { queryOffset = Math.max(0, keyLength - queryLength) } = options;
  const count = 2 * maxDistance + 1;
  if (typeof queryOffset !== 'number' || options.keyPositions !== undefined) {
    const relative = relativePositions(queryLength, keyLength, options);
    const clipped = clampPositions(relative, -maxDistance, maxDistance);
    const index = tf.add(clipped, tf.scalar(maxDistance, 'int32')) as tf.Tensor2D;
    return { toKeys: (x) => pickColumns(x, index), toDistances: (x) => sumColumns(x, index, count) };
  }
  // Column c of the shifted layout is relative position c − (queryLength − 1) − queryOffset.
  const span = queryLength + keyLength - 1;
  const first = -(queryLength - 1) - queryOffset;
  const clip = (position: number) => Math.max(-maxDistance, Math.min(maxDistance, position));
  // Columns clipped to the lowest distance, those with one of their own, and those clipped to the highest.
  const low = Math.min(span, Math.max(0, -maxDistance - first));
  const high = Math.min(span - low, Math.max(0, first + span - 1 - maxDistance));
  const middle = span - low - high;
  const begin = clip(first + low) + maxDistance;
  const cut = (x: tf.Tensor4D, from: number, size: number): tf.Tensor4D =>
    tf.slice(x, [0, 0, 0, from], [x.shape[0], x.shape[1], x.shape[2], size]);
  return {
    toKeys(x) {
      const pieces: tf.Tensor4D[] = [];
      if (low > 0) pieces.push(tf.mul(cut(x, 0, 1), tf.ones([1, 1, 1, low])));
      if (middle > 0) pieces.push(cut(x, begin, middle));
      if (high > 0) pieces.push(tf.mul(cut(x, count - 1, 1), tf.ones([1, 1, 1, high])));
      return relativeShift(pieces.length === 1 ? pieces[0]! : tf.concat(pieces, 3), keyLength) as tf.Tensor4D;
    },
    toDistances(x) {
      const wide = relativeUnshift(x) as tf.Tensor4D; // [batch, heads, queryLength, span]
      const at = (column: number, piece: tf.Tensor4D): tf.Tensor4D =>
        tf.pad(piece, [
          [0, 0],
          [0, 0],
          [0, 0],
          [column, count - column - piece.shape[3]],
        ]);
      const sums: tf.Tensor4D[] = [];
      if (low > 0) sums.push(at(0, tf.sum(cut(wide, 0, low), 3, true) as tf.Tensor4D));
      if (middle > 0) sums.push(at(begin, cut(wide, low, middle)));
      if (high > 0) sums.push(at(count - 1, tf.sum(cut(wide, low + middle, high), 3, true) as tf.Tensor4D));
      return sums.reduce((a, b) => tf.add(a, b));
    },
  };
}

function checkTable(name: string, table: tf.Tensor2D, features: number, rows?: number): void {
  const count = table?.shape?.[0] ?? 0;
  if (table?.rank !== 2 || count % 2 === 0 || table.shape[1] !== features || (rows ?? count) !== count) {
    throw new ShapeMismatchError(name, `[${rows ?? '2·maxDistance + 1'}, ${features}]`, table?.shape ?? []);
  }
}
