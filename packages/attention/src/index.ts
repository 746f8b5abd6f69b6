export { type BandedAttentionOptions, bandedAttention } from './banded.js';
export { denseAttention } from './dense.js';
export { AttentionOptionError, CacheError, ShapeMismatchError } from './errors.js';
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
