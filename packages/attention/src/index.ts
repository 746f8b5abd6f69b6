export { type BandedAttentionOptions, bandedAttention } from './banded.js';
export { KVCache, type KVCacheOptions } from './cache/kv-cache.js';
export type { CacheLayer } from './cache/layer.js';
export { SegmentMemory, type SegmentMemoryOptions, stopGradient } from './cache/segment-memory.js';
export type { CachedKeys, CachedPositions } from './cache/slots.js';
export { type ChunkedAttentionOptions, chunkedAttention } from './chunked.js';
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
export { type PatternPicture, type VisualiseOptions, visualise } from './patterns/visualise.js';
export { alibiBias, alibiSlopes } from './positions/alibi.js';
export { learnedPositions } from './positions/learned.js';
export type { DistanceOptions } from './positions/positions.js';
export { relativeShift } from './positions/relative-shift.js';
export { type RotaryOptions, rotaryEmbedding } from './positions/rotary.js';
export { type ShawAttentionOptions, shawAttention } from './positions/shaw.js';
export { type SinusoidalOptions, sinusoidalPositions } from './positions/sinusoidal.js';
export { type T5BucketOptions, t5Bucket, t5RelativeBias } from './positions/t5.js';
export { type TransformerXLOptions, transformerXLAttention } from './positions/transformer-xl.js';
export { type StridedAttentionOptions, stridedAttention } from './strided.js';
export { type TopKAttentionOptions, topKAttention } from './top-k.js';
