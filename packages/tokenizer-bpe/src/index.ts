export { BPETokenizer, type BPETokenizerOptions } from './bpe-tokenizer.js';
export type { BPETrainOptions } from './bpe-train.js';
export {
  FolderInUseError,
  GptLineageError,
  InvalidOptionError,
  InvalidVocabularyError,
  TokenizerFileError,
  TrainingAbortedError,
  UnknownTokenIdError,
} from './errors.js';
export { commitSave, finishSave, readFolder, writeFolder } from './files.js';
export { type FolderLock, lockFolder, requireUnlocked } from './folder-lock.js';
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
