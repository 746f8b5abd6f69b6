import {
  type AttentionOptions,
  type AttentionPattern,
  type AttentionWithWeights,
  bandedAttention,
  bandedPattern,
  causalPattern,
  denseAttention,
  fixedPattern,
  type KVCache,
  stridedPattern,
} from '@gpt-lineage/attention';
import type * as tf from '@tensorflow/tfjs-core';
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
  /** `[batch, nHead, length, headDim]` */
  readonly query: tf.Tensor4D;
  /** `[batch, nKvHead, length, headDim]` */
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  readonly context: AttentionContext;
  readonly dropout: number;
  readonly seed: number | tf.Tensor;
}

/** One layer's attention by its pattern: `[batch, nHead, length, headDim]`. */
export function attend(input: AttendInput): tf.Tensor4D {
  const { config, layer, query, context } = input;
  const pattern = config.layerPattern[layer]!;
  if (context.external) {
    const scale = config.scaleAttention ? 1 / Math.sqrt(query.shape[3]) : 1;
    const rule = patternOf(pattern);
    return externalAttention(context.external, layer, pattern, rule, query, input.key, input.value, scale);
  }
  const cached = context.cache?.append(layer, input.key, input.value);
  const { key, value } = cached ?? input;
  const options: AttentionOptions = {
    ...(config.scaleAttention ? {} : { scale: 1 }),
    ...(context.keyMask ? { paddingMask: context.keyMask } : {}),
    ...(context.segmentIds ? { segmentIds: context.segmentIds } : {}),
    ...(input.dropout > 0 ? { dropout: input.dropout, seed: input.seed } : {}),
    ...cached?.positions,
  };
  if (!context.maps) return byPattern(pattern, query, key, value, options, false) as tf.Tensor4D;
  const { output, weights } = byPattern(pattern, query, key, value, options, true) as AttentionWithWeights;
  context.maps.push(weights);
  return output;
}

function byPattern(
  layer: LayerAttention,
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  options: AttentionOptions,
  weights: boolean,
): tf.Tensor4D | AttentionWithWeights {
  // The overloads tell the two results apart by a literal.
  const returnWeights = weights as true;
  switch (layer.type) {
    case 'dense':
      return denseAttention(query, key, value, { ...options, causal: true, returnWeights });
    case 'banded':
      return bandedAttention(query, key, value, { ...options, window: layer.window, returnWeights });
    case 'strided':
    case 'fixed':
    case 'topk':
      return denseAttention(query, key, value, {
        ...options,
        causal: true,
        pattern: patternOf(layer),
        returnWeights,
      });
  }
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
