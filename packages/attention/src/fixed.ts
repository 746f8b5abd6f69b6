import * as tf from '@tensorflow/tfjs-core';
import { blockPart } from './core/block-part.js';
import { runPattern } from './core/run-pattern.js';
import type { ScorePart, TileLayout } from './core/score-part.js';
import { alternateHeads } from './core/split-heads.js';
import { summaryPart } from './core/summary-part.js';
import { additiveMask, type PositionFeatures, partMask, type Visibility } from './core/visibility.js';
import { AttentionOptionError } from './errors.js';
import type { AttentionOptions, AttentionWithWeights } from './options.js';
import { blockPattern, fixedPattern, summaryPattern } from './patterns/pattern.js';
import { type AttentionSizes, checkCall, checkChoice, checkPositive } from './validate.js';

const FACTORS = ['merged', 'block', 'summary', 'perHead'] as const;

export interface FixedAttentionOptions extends AttentionOptions {
  /** The paper's l: positions per block. */
  readonly stride: number;
  /** The paper's c: the last positions of each block that all later blocks see. Default 1. */
  readonly summary?: number;
  /**
   * `merged` (default): every head sees both. `block`: keys of the own block, A⁽¹⁾. `summary`: summaries of earlier
   * blocks, A⁽²⁾; queries of the first block then see nothing and give zeros. `perHead`: even heads block, odd heads
   * summary.
   */
  readonly factor?: (typeof FACTORS)[number];
  /**
   * With `summary` or `perHead`: the summaries include those of the own block, up to the query itself, as the paper's
   * formula literally reads. Default false. The merged pattern is the same either way.
   */
  readonly ownBlock?: boolean;
}

/**
 * Fixed sparse attention: a query sees its own block up to itself, and the last `summary` positions of every earlier
 * block. Child et al. 2019, "Generating Long Sequences with Sparse Transformers", §4.3.
 *
 * Work is O(length · (stride + summary · length / stride)): one causal matrix per block, and one matrix of all queries
 * against the summaries, under one softmax.
 *
 * @param query `[batch, heads, queryLength, headDim]`
 * @param key `[batch, keyHeads, keyLength, headDim]`
 * @param value `[batch, keyHeads, keyLength, valueDim]`
 * @returns `[batch, heads, queryLength, valueDim]`; with `returnWeights` also the weights, at dense cost
 * @throws {ShapeMismatchError} when shapes do not fit together
 * @throws {AttentionOptionError} when `stride` or `summary` is out of range or an option is unknown
 */
export function fixedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: FixedAttentionOptions & { readonly returnWeights: true },
): AttentionWithWeights;
export function fixedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: FixedAttentionOptions & { readonly returnWeights?: false },
): tf.Tensor4D;
export function fixedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: FixedAttentionOptions & { readonly returnWeights?: boolean },
): tf.Tensor4D | AttentionWithWeights {
  const sizes = checkCall(query, key, value, options, [
    'stride',
    'summary',
    'factor',
    'ownBlock',
    'returnWeights',
  ]);
  const { stride, summary = 1, factor = 'merged', ownBlock = false } = options;
  checkPositive('stride', stride);
  checkPositive('summary', summary);
  checkChoice('factor', factor, FACTORS);
  if (summary > stride) {
    throw new AttentionOptionError('summary', summary, `must be at most the stride of ${stride}`);
  }
  if (factor === 'perHead') {
    const run = (own: 'block' | 'summary') => (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) =>
      fixedAttention(q, k, v, { ...options, factor: own } as FixedAttentionOptions & { returnWeights: true });
    return alternateHeads(query, key, value, run('block'), run('summary'));
  }
  const pattern = {
    merged: () => fixedPattern(stride, summary),
    block: () => blockPattern(stride),
    summary: () => summaryPattern(stride, summary, ownBlock),
  }[factor]();
  return runPattern({
    query,
    key,
    value,
    sizes,
    options,
    pattern,
    ...(factor === 'block' ? { reach: stride } : {}),
    scoresPerHead: sizes.queryLength * (stride + summary * Math.ceil(sizes.keyLength / stride)),
    tiles:
      sizes.queryLength >= stride && stride < sizes.keyLength
        ? fixedTiles(sizes, { stride, summary, factor, ownBlock })
        : null,
  });
}

interface FixedTiling {
  readonly stride: number;
  readonly summary: number;
  readonly factor: 'merged' | 'block' | 'summary';
  readonly ownBlock: boolean;
}

function fixedTiles(sizes: AttentionSizes, { stride, summary, factor, ownBlock }: FixedTiling) {
  const { queryLength, keyLength } = sizes;
  const ranges = { queries: { begin: 0, end: queryLength }, keys: { begin: 0, end: keyLength } };
  return (visibility: Visibility, offset: number) => (context: readonly tf.Tensor[]) => {
    const features = visibility.features(context);
    const own = (): ScorePart => {
      const part = blockPart(queryLength, keyLength, offset, stride);
      return { ...part, keys: ranges.keys, mask: ownBlockMask(part, features, ranges, stride), id: 0 };
    };
    const summaries = (): ScorePart => {
      const part = summaryPart(keyLength, stride, summary);
      // In the merged pattern the own block's summary is in the block part already.
      const pattern = summaryPattern(stride, summary, factor === 'summary' && ownBlock);
      return { ...part, keys: ranges.keys, mask: partMask(part, pattern, features, ranges), id: 1 };
    };
    const parts = { merged: [own, summaries], block: [own], summary: [summaries] }[factor];
    return [{ queries: ranges.queries, parts }];
  };
}

/** Causal inside each block: `[1, 1, 1, stride, stride]`, plus what the caller hides. */
function ownBlockMask(
  part: TileLayout,
  features: PositionFeatures,
  ranges: Parameters<typeof partMask>[3],
  stride: number,
): tf.Tensor {
  const row = tf.reshape(tf.range(0, stride, 1, 'int32'), [1, 1, 1, stride, 1]);
  const column = tf.reshape(tf.range(0, stride, 1, 'int32'), [1, 1, 1, 1, stride]);
  const order = additiveMask(tf.lessEqual(column, row));
  const hidden = partMask(part, null, features, ranges);
  return hidden === null ? order : tf.add(order, hidden);
}
