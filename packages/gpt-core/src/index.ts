export type { CheckpointReader, CheckpointWriter } from './checkpoint/files.js';
export { configFromHuggingFace, configToHuggingFace } from './checkpoint/hf-config.js';
export {
  type Activation,
  type GPTConfig,
  type GPTConfigInput,
  type PositionScheme,
  parseConfig,
  type VisionConfig,
} from './config/config.js';
export { describe, type ModelDescription } from './config/describe.js';
export {
  formatLayerAttention,
  type LayerAttention,
  type LayerAttentionInput,
} from './config/layer-attention.js';
export { gpt3PrintedSizes, type PresetName, type PrintedSize, presets } from './config/presets.js';
export {
  CheckpointError,
  ContextLengthError,
  DisposedError,
  GptLineageError,
  InvalidArgumentError,
  InvalidConfigError,
  TokenizationError,
  TokenizerMismatchError,
} from './errors.js';
export type { GenerateOptions, GenerateResult } from './generation/generate.js';
export type { LogitsContext, LogitsProcessor, StoppingCriterion } from './generation/logits-processor.js';
export type {
  Completion,
  CompletionOptions,
  CompletionScore,
  LanguageModel,
  ScoreRequest,
} from './language-model/language-model.js';
export type { Dropout, LinearAdapter } from './model/forward.js';
export {
  type CreateOptions,
  type ForwardOptions,
  type ForwardOutput,
  GPT,
  type LoadOptions,
  type LossOptions,
  type TokenIds,
} from './model/gpt.js';
export { ByteTokenizer } from './tokenization/byte-tokenizer.js';
export { CharacterTokenizer } from './tokenization/character-tokenizer.js';
export { tokenizerFromJSON } from './tokenization/load-tokenizer.js';
export type { Tokenizer } from './tokenization/tokenizer.js';
