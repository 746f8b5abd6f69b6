export type { EvaluationSet } from './decontaminate/contamination-index.js';
export type { CutOptions } from './decontaminate/cut-collisions.js';
export {
  type DecontaminateOptions,
  type DecontaminationResult,
  decontaminate,
} from './decontaminate/decontaminate.js';
export type { EvaluationSplit } from './decontaminate/evaluation-split.js';
export { type Banding, chooseBands } from './dedup/bands.js';
export {
  type Deduplicable,
  type DeduplicateOptions,
  type DeduplicationResult,
  type DroppedDuplicate,
  deduplicate,
} from './dedup/deduplicate.js';
export type { FuzzyOptions } from './dedup/deduplication-index.js';
export type { KeepPolicy } from './dedup/keep-best.js';
export { estimateJaccard, MinHasher } from './dedup/minhash.js';
export { jaccard, shingleHashes } from './dedup/shingles.js';
export type { DiversityReport } from './diversity.js';
export { effectiveNumber } from './diversity.js';
export type { Document } from './document.js';
export {
  ConfigError,
  FileError,
  type FileProblem,
  GptLineageError,
  MixtureStateError,
  RangeOutsideError,
  RecordError,
  ShardError,
} from './errors.js';
export { gpt3Sources, type PublishedSource, weightPresets } from './mixture/gpt3-preset.js';
export {
  type DocumentMixtureOptions,
  type DocumentSource,
  type ItemList,
  Mixture,
  type MixtureItem,
  type MixtureState,
  mixture,
  type ShardSource,
  type SourceReport,
  type TokenWindow,
  type WindowMixtureOptions,
} from './mixture/mixture.js';
export {
  type PlannedPiece,
  type PlannedSource,
  planMixture,
  planQuotas,
  type SourceQuota,
} from './mixture/plan-mixture.js';
export { type NormaliseOptions, normaliseText } from './normalise/normalise-text.js';
export { type PiiKind, type ScrubOptions, type ScrubResult, scrubPii } from './normalise/scrub-pii.js';
export type { BuildOptions, PipelineEvent } from './pipeline/build.js';
export { type PipelineConfig, resolveConfig } from './pipeline/config.js';
export type { DropReason, DropReport } from './pipeline/drop-report.js';
export type { Executor } from './pipeline/executor.js';
export type { Manifest, SourceSummary } from './pipeline/manifest.js';
export { type PipelineRun, pipeline } from './pipeline/pipeline.js';
export { identifyLanguage } from './quality/language.js';
export {
  paretoKeeps,
  QualityClassifier,
  type QualityClassifierOptions,
  qualityClassifier,
} from './quality/quality-classifier.js';
export {
  brokenRule,
  type QualityPreset,
  type QualityRules,
  qualityPresets,
} from './quality/quality-rules.js';
export { type TextStatistics, textStatistics } from './quality/text-statistics.js';
export { type WordListOptions, wordListFilter } from './quality/word-list.js';
export { expandInputs, type FileFormat, type InputFile } from './read/input-files.js';
export { type RawRecord, type RecordStreamOptions, readRecords } from './read/record-stream.js';
export { subtitlesToText } from './records/dialogue.js';
export { type TranslationPair, translationTemplates } from './records/parallel.js';
export { type RecordKind, recordConverter } from './records/record-converter.js';
export {
  type FieldNames,
  type RecordConverter,
  RecordProblem,
  type RecordText,
} from './records/record-text.js';
export {
  detectFormat,
  type LocatedRecord,
  type ReadTrainingOptions,
  readTrainingRecords,
  splitPreference,
  type TrainingFormat,
  type TrainingRecord,
  validateTrainingRecord,
} from './records/training-records.js';
export {
  type RedisOptions,
  type RedisWorkerOptions,
  redisExecutor,
  startRedisWorker,
} from './scale-out/redis.js';
export type { ShardHeader, TokenArray, TokenType } from './shards/format.js';
export { type PackedPart, type PackingStrategy, packDocuments } from './shards/pack-documents.js';
export { exportTokenBin, importTokenBin } from './shards/token-bin.js';
export {
  type DocumentInfo,
  type PackedWindow,
  TokenShardReader,
  type TokenShardReaderOptions,
} from './shards/token-shard-reader.js';
export {
  type AppendOptions,
  type ShardInfo,
  TokenShardWriter,
  type TokenShardWriterOptions,
} from './shards/token-shard-writer.js';
export { type WriteTokenShardsOptions, writeTokenShards } from './shards/write-token-shards.js';
export type { Tokenizer } from './tokenizer.js';
export { wordsOf } from './words.js';
