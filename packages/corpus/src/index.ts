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
export type { Tokenizer } from './tokenizer.js';
