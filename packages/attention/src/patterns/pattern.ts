import * as tf from '@tensorflow/tfjs-core';

/**
 * Which keys a query may see, as a rule on absolute positions. `allows` is the definition on two numbers; `mask` is
 * the same rule on tensors of positions, which may themselves be computed (a decoding step that runs for every
 * position). Patterns compose with {@link intersect}, {@link unite} and {@link exclude}.
 */
export interface AttentionPattern {
  readonly name: string;
  allows(query: number, key: number): boolean;
  /**
   * @param query int32 positions, `[…, rows, 1]`
   * @param key int32 positions, `[…, 1, columns]`
   * @returns bool, the broadcast shape
   */
  mask(query: tf.Tensor, key: tf.Tensor): tf.Tensor;
}

/** Keys at or before the query: j ≤ i. */
export const causalPattern: AttentionPattern = {
  name: 'causal',
  allows: (i, j) => j <= i,
  mask: (i, j) => tf.lessEqual(j, i),
};

/** Every key: encoders and cross attention. */
export const fullPattern: AttentionPattern = {
  name: 'full',
  allows: () => true,
  mask: (i, j) => tf.logicalOr(tf.lessEqual(j, i), tf.greater(j, i)),
};

/** The last `window` keys, the query's own included: i − window < j ≤ i. Longformer, GPT-3 §2.1, GPT-Neo. */
export function bandedPattern(window: number): AttentionPattern {
  return {
    name: `banded(${window})`,
    allows: (i, j) => j <= i && i - j < window,
    mask: (i, j) => {
      const distance = tf.sub(i, j);
      return tf.logicalAnd(tf.greaterEqual(distance, 0), tf.less(distance, window));
    },
  };
}

/** Every `stride`-th key back from the query, itself included: j ≤ i and (i − j) mod stride = 0. Sparse Transformer §4.3, A⁽²⁾. */
export function columnPattern(stride: number): AttentionPattern {
  return {
    name: `column(${stride})`,
    allows: (i, j) => j <= i && (i - j) % stride === 0,
    mask: (i, j) => tf.logicalAnd(tf.lessEqual(j, i), tf.equal(tf.mod(tf.sub(i, j), int(stride)), 0)),
  };
}

/** Keys in the query's own block of `stride` positions: ⌊j/stride⌋ = ⌊i/stride⌋, j ≤ i. Sparse Transformer §4.3, fixed A⁽¹⁾. */
export function blockPattern(stride: number): AttentionPattern {
  return {
    name: `block(${stride})`,
    allows: (i, j) => j <= i && blockOf(i, stride) === blockOf(j, stride),
    mask: (i, j) => tf.logicalAnd(tf.lessEqual(j, i), tf.equal(blocksOf(j, stride), blocksOf(i, stride))),
  };
}

/**
 * The last `summaryLength` keys of every earlier block of `stride` positions. Sparse Transformer §4.3, fixed A⁽²⁾.
 *
 * @param ownBlock also the summary positions of the query's own block, as the paper's formula literally reads
 */
export function summaryPattern(stride: number, summaryLength: number, ownBlock = false): AttentionPattern {
  return {
    name: `summary(${stride}, ${summaryLength})`,
    allows: (i, j) =>
      j - blockOf(j, stride) * stride >= stride - summaryLength &&
      (ownBlock ? j <= i : blockOf(j, stride) < blockOf(i, stride)),
    mask: (i, j) => {
      const place = tf.sub(j, tf.mul(blocksOf(j, stride), int(stride)));
      const isSummary = tf.greaterEqual(place, stride - summaryLength);
      const isEarlier = ownBlock ? tf.lessEqual(j, i) : tf.less(blocksOf(j, stride), blocksOf(i, stride));
      return tf.logicalAnd(isSummary, isEarlier);
    },
  };
}

/** The strided pattern of Sparse Transformers, both factors merged: the last `stride` keys and every `stride`-th before. */
export function stridedPattern(stride: number): AttentionPattern {
  return { ...unite(bandedPattern(stride), columnPattern(stride)), name: `strided(${stride})` };
}

/** The fixed pattern of Sparse Transformers, both factors merged: the own block and the summaries of earlier blocks. */
export function fixedPattern(stride: number, summaryLength: number): AttentionPattern {
  return {
    ...unite(blockPattern(stride), summaryPattern(stride, summaryLength)),
    name: `fixed(${stride}, ${summaryLength})`,
  };
}

/** The first `count` keys, for every query from there on: attention sinks, global tokens. */
export function sinkPattern(count: number): AttentionPattern {
  return {
    name: `sink(${count})`,
    allows: (i, j) => j <= i && j < count,
    mask: (i, j) => tf.logicalAnd(tf.lessEqual(j, i), tf.less(j, count)),
  };
}

/** Causal, but the first `length` positions see each other: a prefix language model. */
export function prefixPattern(length: number): AttentionPattern {
  return {
    name: `prefix(${length})`,
    allows: (i, j) => j <= i || (i < length && j < length),
    mask: (i, j) => tf.logicalOr(tf.lessEqual(j, i), tf.logicalAnd(tf.less(i, length), tf.less(j, length))),
  };
}

/** Keys of the same document: `segmentIds[i] = segmentIds[j]`. For batches that pack several documents per row. */
export function segmentPattern(segmentIds: readonly number[]): AttentionPattern {
  const at = (position: tf.Tensor) => tf.gather(tf.tensor1d([...segmentIds], 'int32'), position);
  return {
    name: 'segments',
    allows: (i, j) => segmentIds[i] === segmentIds[j],
    mask: (i, j) => tf.equal(at(i), at(j)),
  };
}

/** Keys that all patterns allow. */
export function intersect(...patterns: [AttentionPattern, ...AttentionPattern[]]): AttentionPattern {
  return {
    name: patterns.map((pattern) => pattern.name).join(' ∩ '),
    allows: (i, j) => patterns.every((pattern) => pattern.allows(i, j)),
    mask: (i, j) => patterns.map((pattern) => pattern.mask(i, j)).reduce((a, b) => tf.logicalAnd(a, b)),
  };
}

/** Keys that any of the patterns allows. */
export function unite(...patterns: [AttentionPattern, ...AttentionPattern[]]): AttentionPattern {
  return {
    name: patterns.map((pattern) => pattern.name).join(' ∪ '),
    allows: (i, j) => patterns.some((pattern) => pattern.allows(i, j)),
    mask: (i, j) => patterns.map((pattern) => pattern.mask(i, j)).reduce((a, b) => tf.logicalOr(a, b)),
  };
}

/** Keys that `pattern` allows and `without` does not. */
export function exclude(pattern: AttentionPattern, without: AttentionPattern): AttentionPattern {
  return {
    name: `${pattern.name} \\ ${without.name}`,
    allows: (i, j) => pattern.allows(i, j) && !without.allows(i, j),
    mask: (i, j) => tf.logicalAnd(pattern.mask(i, j), tf.logicalNot(without.mask(i, j))),
  };
}

function int(value: number): tf.Scalar {
  return tf.scalar(value, 'int32');
}

function blockOf(position: number, stride: number): number {
  return Math.floor(position / stride);
}

function blocksOf(positions: tf.Tensor, stride: number): tf.Tensor {
  return tf.floorDiv(positions, int(stride));
}
