import { type GPTConfig, type GPTConfigInput, parseConfig } from './config.js';
import type { LayerAttention } from './layer-attention.js';
import { elements, parameterSpecs } from './parameters.js';

export interface ModelDescription {
  readonly config: GPTConfig;
  /** Trainable scalars; a tied output matrix counts once. */
  readonly parameters: number;
  /** Without the token and position embeddings and an untied output matrix. */
  readonly nonEmbeddingParameters: number;
  readonly parametersByGroup: Readonly<
    Record<'embeddings' | 'attention' | 'mlp' | 'norms' | 'head' | 'vision', number>
  >;
  /** Bytes of the weights by number format. */
  readonly bytes: Readonly<Record<'float32' | 'float16' | 'int8', number>>;
  /** Floating-point operations of one token's forward pass, at the end of a full context. */
  readonly forwardFlopsPerToken: number;
  /** Forward, backward and update for one token of a full-context sequence, averaged over its positions. */
  readonly trainingFlopsPerToken: number;
  /** Bytes of the key/value cache (float32) for one sequence at full context. */
  readonly kvCacheBytes: number;
  readonly kvCacheBytesPerToken: number;
  /** Bytes of weights, gradients and AdamW moments in float32; activations not included. */
  readonly trainStateBytes: number;
}

/**
 * What a model of this configuration costs, computed without allocating any of it.
 *
 * FLOPs count a multiplication and an addition as two, matrix products only, and only the scores that the layer's
 * pattern needs. The backward pass counts twice the forward pass (Kaplan et al. 2020, section 2.1).
 *
 * @throws {InvalidConfigError}
 */
export function describe(input: GPTConfigInput): ModelDescription {
  const config = parseConfig(input);
  const groups = { embeddings: 0, attention: 0, mlp: 0, norms: 0, head: 0, vision: 0 };
  let matrixWeights = 0;
  for (const [name, { shape }] of parameterSpecs(config)) {
    const count = elements(shape);
    groups[groupOf(name)] += count;
    const perToken = /\.(attn|mlp)\.c_(attn|proj|fc)\.weight$/.test(name);
    if (perToken) matrixWeights += count;
  }
  const parameters = Object.values(groups).reduce((sum, count) => sum + count, 0);
  const { contextLength, nEmbd, nHead, nKvHead, nLayer, vocabSize } = config;
  const kvWidth = (nEmbd / nHead) * nKvHead;

  const products = 2 * (matrixWeights + vocabSize * nEmbd);
  let lastScores = 0;
  let meanScores = 0;
  let cachedPositions = 0;
  for (const layer of config.layerPattern) {
    lastScores += keysOf(layer, contextLength - 1) + config.memoryLength;
    meanScores += meanKeys(layer, contextLength) + config.memoryLength;
    cachedPositions +=
      (layer.type === 'banded' ? Math.min(layer.window, contextLength) : contextLength) + config.memoryLength;
  }
  // QK^T and scores times V: each 2 operations per key and channel.
  const forward = products + 4 * nEmbd * lastScores;
  return {
    config,
    parameters,
    nonEmbeddingParameters: parameters - groups.embeddings - groups.head,
    parametersByGroup: groups,
    bytes: { float32: 4 * parameters, float16: 2 * parameters, int8: parameters },
    forwardFlopsPerToken: forward,
    trainingFlopsPerToken: 3 * (products + 4 * nEmbd * meanScores),
    kvCacheBytes: 2 * 4 * kvWidth * cachedPositions,
    kvCacheBytesPerToken: 2 * 4 * kvWidth * nLayer,
    trainStateBytes: 16 * parameters,
  };
}

function groupOf(name: string): 'embeddings' | 'attention' | 'mlp' | 'norms' | 'head' | 'vision' {
  if (name.startsWith('multi_modal_projector.')) return 'vision';
  if (name === 'lm_head.weight') return 'head';
  if (/\.ln_/.test(name)) return 'norms';
  if (name.includes('.mlp.')) return 'mlp';
  if (name.includes('.attn.') || name.includes('relative_attention_bias')) return 'attention';
  return 'embeddings';
}

/** Keys that the query at `position` scores. */
function keysOf(layer: LayerAttention, position: number): number {
  const causal = position + 1;
  switch (layer.type) {
    case 'dense':
      return causal;
    case 'banded':
      return Math.min(layer.window, causal);
    case 'strided':
      return Math.min(layer.stride, causal) + Math.max(0, Math.floor(position / layer.stride));
    case 'fixed':
      return (position % layer.stride) + 1 + Math.floor(position / layer.stride) * layer.summary;
    case 'topk':
      return causal; // every score is needed to find the largest
  }
}

function meanKeys(layer: LayerAttention, length: number): number {
  let sum = 0;
  for (let position = 0; position < length; position++) sum += keysOf(layer, position);
  return sum / length;
}
