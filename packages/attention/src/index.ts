export { type BandedAttentionOptions, bandedAttention } from './banded.js';
export { type CacheLayer, KVCache, type KVCacheOptions } from './cache/kv-cache.js';
export type { CachedKeys, CachedPositions } from './cache/slots.js';
export { denseAttention } from './dense.js';
export { AttentionOptionError, CacheError, ShapeMismatchError } from './errors.js';
export { type FixedAttentionOptions, fixedAttention } from './fixed.js';
export type {
  AttentionOptions,
  AttentionWithWeights,
  DenseAttentionOptions,
  Position,
} from './options.js';
export {
  type AttentionPattern,
  bandedPattern,
  blockPattern,
  causalPattern,
  columnPattern,
  exclude,
  fixedPattern,
  fullPattern,
  intersect,
  prefixPattern,
  segmentPattern,
  sinkPattern,
  stridedPattern,
  summaryPattern,
  unite,
} from './patterns/pattern.js';
export { type StridedAttentionOptions, stridedAttention } from './strided.js';
export { type TopKAttentionOptions, topKAttention } from './top-k.js';
