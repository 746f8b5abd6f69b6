import * as tf from '@tensorflow/tfjs-core';
import { bandPart } from './core/band-part.js';
import { residuePart } from './core/residue-part.js';
import { runPattern } from './core/run-pattern.js';
import type { ScorePart } from './core/score-part.js';
import { alternateHeads } from './core/split-heads.js';
import { additiveMask, type PositionFeatures, partMask, type Visibility } from './core/visibility.js';
import type { AttentionOptions, AttentionWithWeights } from './options.js';
import { bandedPattern, columnPattern, stridedPattern } from './patterns/pattern.js';
import { type AttentionSizes, checkCall, checkChoice, checkPositive } from './validate.js';

const FACTORS = ['merged', 'local', 'column', 'perHead'] as const;

export interface StridedAttentionOptions extends AttentionOptions {
  /** The paper's l, about √length: the length of the local window and the step of the columns. */
  readonly stride: number;
  /**
   * `merged` (default): every head sees both. `local`: the last `stride` keys, A⁽¹⁾. `column`: every `stride`-th key,
   * A⁽²⁾. `perHead`: even heads local, odd heads column.
   */
  readonly factor?: (typeof FACTORS)[number];
}

/**
 * Strided sparse attention: a query sees the last `stride` keys and every `stride`-th key before them. Child et al. 2019,
 * "Generating Long Sequences with Sparse Transformers", §4.3. The window is read as i − l < j ≤ i, `stride` keys with the
 * query's own; the paper's formula t = max(0, i − l) has one more, which the column holds anyway.
 *
 * Work is O(length · (stride + length / stride)): a band of blocks, and one small causal matrix per residue of the
 * position modulo `stride`, under one softmax.
 *
 * @param query `[batch, heads, queryLength, headDim]`
 * @param key `[batch, keyHeads, keyLength, headDim]`
 * @param value `[batch, keyHeads, keyLength, valueDim]`
 * @returns `[batch, heads, queryLength, valueDim]`; with `returnWeights` also the weights, at dense cost
 * @throws {ShapeMismatchError} when shapes do not fit together
 * @throws {AttentionOptionError} when `stride` is no integer ≥ 1 or an option is unknown
 */
export function stridedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: StridedAttentionOptions & { readonly returnWeights: true },
): AttentionWithWeights;
export function stridedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: StridedAttentionOptions & { readonly returnWeights?: false },
): tf.Tensor4D;
export function stridedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: StridedAttentionOptions & { readonly returnWeights?: boolean },
): tf.Tensor4D | AttentionWithWeights {
  const sizes = checkCall(query, key, value, options, ['stride', 'factor', 'returnWeights']);
  checkPositive('stride', options.stride);
  const { stride, factor = 'merged' } = options;
  checkChoice('factor', factor, FACTORS);
  if (factor === 'perHead') {
    const run = (own: 'local' | 'column') => (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) =>
      stridedAttention(q, k, v, { ...options, factor: own } as StridedAttentionOptions & {
        returnWeights: true;
      });
    return alternateHeads(query, key, value, run('local'), run('column'));
  }
  const patterns = { merged: stridedPattern, local: bandedPattern, column: columnPattern };
  return runPattern({
    query,
    key,
    value,
    sizes,
    options,
    pattern: patterns[factor](stride),
    ...(factor === 'local' ? { reach: stride } : {}),
    scoresPerHead: sizes.queryLength * (2 * stride + Math.ceil(sizes.keyLength / stride)),
    tiles:
      sizes.queryLength >= stride && stride > 1 && stride < sizes.keyLength
        ? stridedTiles(sizes, stride, factor)
        : null,
  });
}

function stridedTiles(sizes: AttentionSizes, stride: number, factor: 'merged' | 'local' | 'column') {
  const { queryLength, keyLength } = sizes;
  return (visibility: Visibility, offset: number) => (context: readonly tf.Tensor[]) => {
    const features = visibility.features(context);
    const local = () =>
      bandPart(features, { queryLength, keyLength, offset, window: stride, block: stride }, 0);
    const column = () => columnPart(features, sizes, { offset, stride, withSelf: factor === 'column' });
    const parts = { merged: [local, column], local: [local], column: [column] }[factor];
    return [{ queries: { begin: 0, end: queryLength }, parts }];
  };
}

/** Keys at distance stride, 2·stride, …; and the query's own when no local part holds it. */
function columnPart(
  features: PositionFeatures,
  { queryLength, keyLength }: AttentionSizes,
  { offset, stride, withSelf }: { offset: number; stride: number; withSelf: boolean },
): ScorePart {
  const part = residuePart(queryLength, keyLength, offset, stride);
  const ranges = { queries: { begin: 0, end: queryLength }, keys: { begin: 0, end: keyLength } };
  const row = tf.reshape(tf.range(part.firstRow, part.firstRow + part.rows, 1, 'int32'), [
    1,
    1,
    1,
    part.rows,
    1,
  ]);
  const column = tf.reshape(tf.range(0, part.columns, 1, 'int32'), [1, 1, 1, 1, part.columns]);
  const order = additiveMask(withSelf ? tf.lessEqual(column, row) : tf.less(column, row));
  const hidden = partMask(part, null, features, ranges);
  return { ...part, keys: ranges.keys, mask: hidden === null ? order : tf.add(order, hidden), id: 1 };
}
