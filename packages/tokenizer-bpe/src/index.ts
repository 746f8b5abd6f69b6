export { BPETokenizer, type BPETokenizerOptions } from './bpe-tokenizer.js';
export type { BPETrainOptions } from './bpe-train.js';
export {
  GptLineageError,
  InvalidOptionError,
  InvalidVocabularyError,
  TokenizerFileError,
  TrainingAbortedError,
  UnknownTokenIdError,
} from './errors.js';
export {
  type LearnedMerges,
  type LearnMergesOptions,
  learnMerges,
  type TrainingProgress,
  type TrainingWords,
} from './learn-merges.js';
export { MergeTable, NO_MERGE } from './merge-table.js';
export { basic, lossless, type Preprocessor } from './preprocess.js';
export { sha256 } from './sha256.js';
