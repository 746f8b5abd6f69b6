import {
  type AttentionOptions,
  type AttentionPattern,
  type AttentionWithWeights,
  alibiBias,
  bandedAttention,
  bandedPattern,
  causalPattern,
  denseAttention,
  fixedAttention,
  fixedPattern,
  type KVCache,
  rotaryEmbedding,
  shawAttention,
  sinusoidalPositions,
  stridedAttention,
  stridedPattern,
  t5RelativeBias,
  topKAttention,
  transformerXLAttention,
} from '@gpt-lineage/attention';
import { linear } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import type { LayerAttention } from '../config/layer-attention.js';
import { type ExternalCache, externalAttention } from './external-attention.js';

/** What all layers of one pass share. */
export interface AttentionContext {
  /** `[batch, keyLength]`, 1 = real token, 0 = padding */
  readonly keyMask?: tf.Tensor2D | undefined;
  /** `[batch, length]`: a token sees only its own segment */
  readonly segmentIds?: tf.Tensor2D | undefined;
  /** Keys and values of earlier passes; this pass adds its own. */
  readonly cache?: KVCache | undefined;
  /** The same, kept by the caller; in place of `cache`. */
  readonly external?: ExternalCache | undefined;
  /** Receives `[batch, heads, queryLength, keyLength]` of each layer when given. */
  readonly maps?: tf.Tensor4D[] | undefined;
}

export interface AttendInput {
  readonly config: GPTConfig;
  readonly layer: number;
  /** What a position scheme has learned, by the end of its name: `relative_keys.weight`. */
  readonly learned: (name: string) => tf.Tensor;
  /** `[batch, nHead, length, headDim]` */
  readonly query: tf.Tensor4D;
  /** `[batch, nKvHead, memoryLength + length, headDim]` */
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  /** `[batch or 1, length]` int32 */
  readonly positionIds: tf.Tensor2D;
  readonly context: AttentionContext;
  readonly dropout: number;
  readonly seed: number | tf.Tensor;
}

/** One layer's attention by its pattern and position scheme: `[batch, nHead, length, headDim]`. */
export function attend(input: AttendInput): tf.Tensor4D {
  const { config, layer, context } = input;
  const pattern = config.layerPattern[layer]!;
  const memoryLength = input.key.shape[2] - input.query.shape[2];
  const [query, fresh] = rotated(input, memoryLength);
  if (context.external) {
    const scale = scaleOf(config, layer);
    const rule = patternOf(pattern);
    return externalAttention(context.external, layer, pattern, rule, query, fresh, input.value, scale);
  }
  const cached = context.cache?.append(layer, fresh, input.value);
  const { key, value } = cached ?? { key: fresh, value: input.value };
  const [batch, , queryLength] = query.shape;
  const options: AttentionOptions = {
    scale: scaleOf(config, layer),
    ...(context.keyMask ? { paddingMask: wholeMask(context.keyMask, input.key.shape[2], batch) } : {}),
    ...(context.segmentIds ? { segmentIds: context.segmentIds } : {}),
    ...(input.dropout > 0 ? { dropout: input.dropout, seed: input.seed } : {}),
    ...cached?.positions,
    // A cache counts the memory among the tokens that it was just given; queries come after it.
    ...(cached && memoryLength > 0
      ? { queryOffset: (cached.positions.queryOffset as number) + memoryLength }
      : {}),
  };
  const returnWeights = context.maps !== undefined;
  const result = byScheme(input, pattern, { query, key, value, options, returnWeights, queryLength });
  if (!context.maps) return result as tf.Tensor4D;
  const { output, weights } = result as AttentionWithWeights;
  context.maps.push(weights);
  return output;
}

/** What the scores of a layer are multiplied by before the softmax. */
function scaleOf({ scaleAttention, scaleAttentionByLayer, nEmbd, nHead }: GPTConfig, layer: number): number {
  const scale = scaleAttention ? 1 / Math.sqrt(nEmbd / nHead) : 1;
  return scaleAttentionByLayer ? scale / (layer + 1) : scale;
}

/** Queries and keys, turned by their positions where the scheme is rotary. */
function rotated(input: AttendInput, memoryLength: number): [tf.Tensor4D, tf.Tensor4D] {
  const { config, query, key, positionIds } = input;
  if (config.positions !== 'rotary') return [query, key];
  const own = { positions: positionIds };
  if (memoryLength === 0) return [rotaryEmbedding(query, own), rotaryEmbedding(key, own)];
  const before = tf.sub(
    tf.slice(positionIds, [0, 0], [positionIds.shape[0], 1]),
    tf.range(memoryLength, 0, -1, 'int32'),
  ); // the memory's positions end where the segment's begin
  return [
    rotaryEmbedding(query, own),
    rotaryEmbedding(key, { positions: tf.concat([before, positionIds], 1) }),
  ];
}

/** A mask of all keys: those that it lacks in front are memory, which holds real tokens only. */
function wholeMask(keyMask: tf.Tensor2D, keyLength: number, batch: number): tf.Tensor2D {
  const memoryLength = keyLength - keyMask.shape[1];
  if (memoryLength <= 0) return keyMask;
  return tf.concat([tf.ones([batch, memoryLength], 'int32'), tf.cast(keyMask, 'int32')], 1) as tf.Tensor2D;
}

interface Prepared {
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  readonly options: AttentionOptions;
  readonly returnWeights: boolean;
  readonly queryLength: number;
}

function byScheme(
  input: AttendInput,
  layer: LayerAttention,
  prepared: Prepared,
): tf.Tensor4D | AttentionWithWeights {
  const { config, learned } = input;
  const { query, key, value, options, queryLength } = prepared;
  // The overloads tell the two results apart by a literal.
  const returnWeights = prepared.returnWeights as true;
  const { queryOffset, keyPositions } = options;
  const distances = {
    ...(queryOffset === undefined ? {} : { queryOffset }),
    ...(keyPositions === undefined ? {} : { keyPositions }),
  };
  const keyLength = key.shape[2];
  const rule = layer.type === 'dense' ? {} : { pattern: patternOf(layer) };
  switch (config.positions) {
    case 'learned':
    case 'none':
    case 'rotary':
      return byPattern(layer, query, key, value, options, returnWeights);
    case 'alibi': {
      const bias = alibiBias(config.nHead, queryLength, keyLength, distances);
      return denseAttention(query, key, value, { ...options, ...rule, bias, causal: true, returnWeights });
    }
    case 't5': {
      const table = learned('relative_attention_bias.weight') as tf.Tensor2D;
      const bias = t5RelativeBias(table, queryLength, keyLength, {
        maxDistance: config.relativeDistance,
        ...distances,
      });
      return denseAttention(query, key, value, { ...options, ...rule, bias, causal: true, returnWeights });
    }
    case 'shaw':
      return shawAttention(query, key, value, {
        ...options,
        ...rule,
        causal: true,
        relativeKeys: learned('relative_keys.weight') as tf.Tensor2D,
        relativeValues: learned('relative_values.weight') as tf.Tensor2D,
        returnWeights,
      });
    case 'transformer-xl': {
      const { nHead, nEmbd } = config;
      // R_n W_r for every distance that can occur: [nHead, keyLength, headDim]
      const reach = keyPositions === undefined ? keyLength : config.contextLength + config.memoryLength;
      const sinusoids = sinusoidalPositions(reach, nEmbd, { layout: 'concat' });
      const projected = linear(sinusoids, learned('c_relative.weight') as tf.Tensor2D);
      const positionKeys = tf.transpose(tf.reshape(projected, [reach, nHead, nEmbd / nHead]), [1, 0, 2]);
      return transformerXLAttention(query, key, value, {
        ...options,
        ...rule,
        positionKeys: positionKeys as tf.Tensor3D,
        contentBias: learned('content_bias') as tf.Tensor2D,
        positionBias: learned('position_bias') as tf.Tensor2D,
        returnWeights,
      });
    }
  }
}

function byPattern(
  layer: LayerAttention,
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: AttentionOptions,
  returnWeights: true,
): tf.Tensor4D | AttentionWithWeights {
  switch (layer.type) {
    case 'dense':
      return denseAttention(query, key, value, { ...options, causal: true, returnWeights });
    case 'banded':
      return bandedAttention(query, key, value, { ...options, window: layer.window, returnWeights });
    case 'strided':
      return stridedAttention(query, key, value, {
        ...options,
        stride: layer.stride,
        factor: factorOf(layer),
        returnWeights,
      });
    case 'fixed':
      return fixedAttention(query, key, value, {
        ...options,
        stride: layer.stride,
        summary: layer.summary,
        factor: factorOf(layer),
        returnWeights,
      });
    case 'topk':
      return topKAttention(query, key, value, { ...options, k: layer.k, returnWeights });
  }
}

function factorOf(layer: { readonly heads?: 'merged' | 'alternating' }): 'merged' | 'perHead' {
  return layer.heads === 'alternating' ? 'perHead' : 'merged';
}

/** The layer's rule on positions; a top-k layer's further rule is on scores. */
function patternOf(layer: LayerAttention): AttentionPattern {
  switch (layer.type) {
    case 'dense':
    case 'topk':
      return causalPattern;
    case 'banded':
      return bandedPattern(layer.window);
    case 'strided':
      return stridedPattern(layer.stride);
    case 'fixed':
      return fixedPattern(layer.stride, layer.summary);
  }
}
