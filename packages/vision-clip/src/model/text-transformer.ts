import { embedding } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { TextConfig } from '../config.js';
import { ClipInputError } from '../errors.js';
import type { Parameters } from './parameters.js';
import {
  applyLayerNorm,
  type BlockOptions,
  type TowerTrace,
  type TraceOptions,
  transformerBlocks,
} from './transformer.js';

/** Token ids: one text, several (of any lengths), or a tensor `[batch, length]`. */
export type TokenIds =
  | readonly number[]
  | readonly (readonly number[] | Int32Array)[]
  | Int32Array
  | tf.Tensor;

export interface TextOutput extends TowerTrace {
  /** `[batch, length, nEmbd]` after the final norm. */
  readonly lastHiddenState: tf.Tensor3D;
  /** `[batch, nEmbd]`, the state at the end token, before the projection. */
  readonly pooled: tf.Tensor2D;
}

/**
 * Pads texts to one length and finds their end tokens. Padding after the end token changes nothing: attention is
 * causal and the text is read off at its end.
 *
 * @throws {ClipInputError} when a text is empty, too long, has an id outside the vocabulary or no end token
 */
export function textBatch(tokenIds: TokenIds, config: TextConfig): { ids: tf.Tensor2D; ends: tf.Tensor1D } {
  if (tokenIds instanceof tf.Tensor) return tensorBatch(tokenIds, config);
  const texts = isSingle(tokenIds) ? [tokenIds] : (tokenIds as readonly (readonly number[] | Int32Array)[]);
  const length = Math.max(0, ...texts.map((text) => text.length));
  if (texts.length === 0 || length === 0)
    throw new ClipInputError('tokenIds', 'must hold at least one token');
  checkLength(length, config);
  const ids = new Int32Array(texts.length * length).fill(config.padTokenId);
  const ends = new Int32Array(texts.length);
  texts.forEach((text, row) => {
    let end = config.poolAtHighestId ? 0 : -1;
    text.forEach((id, position) => {
      if (!Number.isInteger(id) || id < 0 || id >= config.vocabSize) {
        throw new ClipInputError(
          `tokenIds[${row}][${position}]`,
          `must be an integer below vocabSize ${config.vocabSize}, received ${id}`,
        );
      }
      if (config.poolAtHighestId ? id > text[end]! : end < 0 && id === config.eosTokenId) end = position;
      ids[row * length + position] = id;
    });
    if (end < 0 || text.length === 0) {
      throw new ClipInputError(
        `tokenIds[${row}]`,
        `must contain the end token ${config.eosTokenId}: the text is read off there (tokenize with start and end tokens)`,
      );
    }
    ends[row] = end;
  });
  return { ids: tf.tensor2d(ids, [texts.length, length], 'int32'), ends: tf.tensor1d(ends, 'int32') };
}

/** Values of a tensor are not looked at, so that a captured graph can be fed; without an end token position 0 is read. */
function tensorBatch(tokenIds: tf.Tensor, config: TextConfig): { ids: tf.Tensor2D; ends: tf.Tensor1D } {
  const length = tokenIds.shape.at(-1) ?? 0;
  if (tokenIds.rank < 1 || tokenIds.rank > 2 || length === 0) {
    throw new ClipInputError('tokenIds', `must be [batch, length], received [${tokenIds.shape}]`);
  }
  checkLength(length, config);
  return tf.tidy(() => {
    const ids = tf.cast(tf.reshape(tokenIds, [-1, length]), 'int32') as tf.Tensor2D;
    const isEnd = config.poolAtHighestId ? ids : tf.cast(tf.equal(ids, config.eosTokenId), 'int32');
    return { ids, ends: tf.argMax(isEnd, -1) as tf.Tensor1D };
  });
}

function isSingle(tokenIds: Exclude<TokenIds, tf.Tensor>): tokenIds is readonly number[] | Int32Array {
  return tokenIds instanceof Int32Array || typeof tokenIds[0] === 'number';
}

function checkLength(length: number, { contextLength }: TextConfig): void {
  if (length > contextLength) {
    throw new ClipInputError(
      'tokenIds',
      `has ${length} tokens, more than contextLength ${contextLength}; truncate it`,
    );
  }
}

/** The text tower: token + position embeddings → causal blocks → state at the end token. */
export function textTransformer(
  parameters: Parameters,
  config: TextConfig,
  tokenIds: TokenIds,
  options: TraceOptions = {},
): TextOutput {
  const { ids, ends } = textBatch(tokenIds, config);
  const { output, trace } = run(parameters, config, ids, options);
  const lastHiddenState = applyLayerNorm(parameters, 'text.finalNorm', output, config.layerNormEpsilon);
  const pooled = tf.reshape(endToken(ends, ids.shape[1])(lastHiddenState), [-1, config.nEmbd]) as tf.Tensor2D;
  return { ...trace, lastHiddenState, pooled };
}

/** `pooled` alone. The last block then projects the end token only. */
export function pooledText(parameters: Parameters, config: TextConfig, tokenIds: TokenIds): tf.Tensor2D {
  const { ids, ends } = textBatch(tokenIds, config);
  const { output } = run(parameters, config, ids, { select: endToken(ends, ids.shape[1]) });
  const state = tf.reshape(output, [-1, config.nEmbd]) as tf.Tensor2D;
  return applyLayerNorm(parameters, 'text.finalNorm', state, config.layerNormEpsilon);
}

/**
 * `[batch, length, nEmbd]` → `[batch, 1, nEmbd]`, by a one-hot product instead of a gather: its gradient exists on
 * every backend. (Cast, because wasm fills a float one-hot wrongly.)
 */
function endToken(ends: tf.Tensor1D, length: number): (x: tf.Tensor3D) => tf.Tensor3D {
  const chosen = tf.expandDims(tf.cast(tf.oneHot(ends, length), 'float32'), 1); // [batch, 1, length]
  return (x) => tf.matMul(chosen, x) as tf.Tensor3D;
}

function run(
  parameters: Parameters,
  config: TextConfig,
  ids: tf.Tensor2D,
  options: Omit<BlockOptions, 'causal'>,
): { output: tf.Tensor3D; trace: TowerTrace } {
  const { nEmbd } = config;
  const length = ids.shape[1];
  const tokens = embedding(parameters.get('text.tokenEmbedding'), ids) as tf.Tensor3D;
  const positions = tf.slice(parameters.get('text.positionEmbedding'), [0, 0], [length, nEmbd]);
  const input = tf.add(tokens, positions) as tf.Tensor3D;
  return transformerBlocks(parameters, 'text', config, input, { ...options, causal: true });
}
