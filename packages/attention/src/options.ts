import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionPattern } from './patterns/pattern.js';

/** A position that is known now, or a scalar int32 tensor that a captured function receives at every call. */
export type Position = number | tf.Tensor;

/** Options that every attention function takes. */
export interface AttentionOptions {
  /** Factor on the scores. Default 1/√headDim; GPT-Neo and T5 use 1. */
  readonly scale?: number;
  /** `[batch, keyLength]`, 1 = a real token, 0 = padding that nobody may see. Rows without any key give zeros. */
  readonly paddingMask?: tf.Tensor;
  /**
   * `[batch, length]` int32: a query sees keys of its own segment only (packed documents). For cross attention or
   * cached decoding give `{ query: [batch, queryLength], key: [batch, keyLength] }`.
   */
  readonly segmentIds?: tf.Tensor | { readonly query: tf.Tensor; readonly key: tf.Tensor };
  /** Share of attention weights dropped, in [0, 1). Default 0. */
  readonly dropout?: number;
  /** Seed of the dropout, needed when `dropout` > 0: a number, or an int32 scalar tensor fed to a captured step. */
  readonly seed?: number | tf.Tensor;
  /** Position of the first query. Default keyLength − queryLength: the queries are the last positions of the keys. */
  readonly queryOffset?: Position;
  /** `[keyLength]` int32, the position of every key when keys are not in order (ring buffers); −1 = empty slot. */
  readonly keyPositions?: tf.Tensor;
}

export interface DenseAttentionOptions extends AttentionOptions {
  /** Hide keys after the query. Default false. */
  readonly causal?: boolean;
  /** Further rule on positions, see `AttentionPattern`. The work stays dense. */
  readonly pattern?: AttentionPattern;
  /** 0/1 (or bool), broadcasts to `[batch, heads, queryLength, keyLength]`; 1 = may see. */
  readonly mask?: tf.Tensor;
  /** Added to the scores after scaling; broadcasts to `[batch, heads, queryLength, keyLength]`; differentiable. */
  readonly bias?: tf.Tensor;
  /** Queries handled at a time: less is less memory. Default: what keeps a tile of scores in the cache. */
  readonly queryTile?: number;
  /** Keys handled at a time, under a softmax whose maximum and sum run along. Default: all, and fewer for long keys. */
  readonly keyTile?: number;
}

/** Output and softmax weights, both differentiable and owned by the caller. */
export interface AttentionWithWeights {
  /** `[batch, heads, queryLength, valueDim]` */
  readonly output: tf.Tensor4D;
  /** `[batch, heads, queryLength, keyLength]`, before dropout */
  readonly weights: tf.Tensor4D;
}
