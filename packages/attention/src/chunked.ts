import type * as tf from '@tensorflow/tfjs-core';
import { denseAttention } from './dense.js';
import type { DenseAttentionOptions } from './options.js';
import { checkInputs, checkPositive } from './validate.js';

export interface ChunkedAttentionOptions extends Omit<DenseAttentionOptions, 'queryTile' | 'keyTile'> {
  /** Queries per tile. Default 512. */
  readonly queryChunk?: number;
  /** Keys per tile. Default 512. */
  readonly keyChunk?: number;
}

/**
 * Dense attention for long prompts: tiles of queries and keys, under a softmax whose running maximum and sum are
 * corrected as further keys pass by. Only one tile of scores exists at a time, forward and backward, so peak memory is
 * linear in the length. Milakov & Gimelshein 2018, "Online normalizer calculation for softmax"; Rabe & Staats 2021,
 * "Self-attention Does Not Need O(n²) Memory".
 *
 * The same numbers as `denseAttention`, which turns to key tiles by itself for long keys; here their size is yours.
 *
 * @param query `[batch, heads, queryLength, headDim]`
 * @param key `[batch, keyHeads, keyLength, headDim]`
 * @param value `[batch, keyHeads, keyLength, valueDim]`
 * @param options those of `denseAttention`
 * @returns `[batch, heads, queryLength, valueDim]`
 * @throws {ShapeMismatchError} when shapes do not fit together
 * @throws {AttentionOptionError} when an option is unknown or out of range
 */
export function chunkedAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: ChunkedAttentionOptions = {},
): tf.Tensor4D {
  checkInputs(query, key, value);
  const { queryChunk = 512, keyChunk = 512, ...rest } = options;
  checkPositive('queryChunk', queryChunk);
  checkPositive('keyChunk', keyChunk);
  return denseAttention(query, key, value, { ...rest, queryTile: queryChunk, keyTile: keyChunk });
}
