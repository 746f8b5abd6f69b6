export {
  GptLineageError,
  InvalidOptionError,
  InvalidVocabularyError,
  UnknownTokenIdError,
} from '@gpt-lineage/tokenizer-bpe';
export { ByteLevelBPETokenizer } from './byte-level-tokenizer.js';
export { DecodeStream } from './decode-stream.js';
export type { EncodedBatch, EncodeOptions, FromTiktokenOptions, TokenizerDefinition } from './definition.js';
export { SpecialTokenError, UnsupportedTokenizerError } from './errors.js';
export { type EncodingName, encodingNames, getEncoding } from './get-encoding.js';
export { type PatternName, patterns } from './patterns.js';
export type { RankSource } from './rank-file.js';
export type { SpecialTokenChoice } from './special-tokens.js';
export type { TokenOffset } from './token-offsets.js';
export type { TokenizerJSON } from './tokenizer-json.js';
export type { TrainOptions } from './train.js';
