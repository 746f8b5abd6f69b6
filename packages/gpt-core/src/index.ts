export {
  type CapturedFunction,
  type ComputeInfo,
  capture,
  executorNames,
  initCompute,
  softmaxCrossEntropy,
} from '@gpt-lineage/compute';
export type { CheckpointReader, CheckpointWriter } from './checkpoint/files.js';
export { configFromHuggingFace, configToHuggingFace } from './checkpoint/hf-config.js';
export {
  type Activation,
  type GPTConfig,
  type GPTConfigInput,
  type PositionScheme,
  parseConfig,
  type VisionConfig,
  type VisionConfigInput,
} from './config/config.js';
export { describe, type ModelDescription } from './config/describe.js';
export {
  formatLayerAttention,
  type LayerAttention,
  type LayerAttentionInput,
} from './config/layer-attention.js';
export { gpt3PrintedSizes, type PresetName, type PrintedSize, presets } from './config/presets.js';
export { Conversation } from './conversation/conversation.js';
export { type DocumentSourceOptions, documentSource, parseJsonl, parseJsonlTexts } from './data/documents.js';
export { DataError } from './data/errors.js';
export { type ExampleSourceOptions, exampleSource } from './data/example-source.js';
export { type FillOptions, type FillTokens, fillInTheMiddle } from './data/fill-in-the-middle.js';
export { gpt3MixtureWeights, type MixturePart, mixtureSource } from './data/mixture.js';
export { type PackedRows, packBestFit, packedBatch, type TrainingExample } from './data/packing.js';
export {
  type SourceTokenizer,
  type TextSource,
  type TextSourceOptions,
  textSource,
} from './data/text-source.js';
export {
  IGNORE_INDEX,
  type SourceEpochs,
  type TokenBatch,
  type TokenSource,
  type ValidationSource,
} from './data/token-batch.js';
export { arrayStore, type TokenStore } from './data/token-store.js';
export { type WindowOptions, windowSource, windowValidation } from './data/window-source.js';
export {
  CheckpointError,
  ContextLengthError,
  DisposedError,
  GptLineageError,
  InvalidArgumentError,
  InvalidConfigError,
  NonFiniteError,
  TokenizationError,
  TokenizerMismatchError,
} from './errors.js';
export { type GGUFOptions, ggufChunks } from './export/gguf.js';
export { exportOnnx, type OnnxOptions } from './export/onnx.js';
export {
  evaluateTask,
  type FinetuneOptions,
  finetune,
  predictTask,
  type TaskMetrics,
} from './finetuning/finetune.js';
export {
  type ChatTurn,
  chatExample,
  chatMLTurns,
  completionExample,
  humanAssistantTurns,
  type MaskTokenizer,
  maskedExample,
  type TextSegment,
  type TurnTemplate,
} from './finetuning/loss-masks.js';
export {
  accuracy,
  f1Score,
  macroF1,
  matthewsCorrelation,
  pearsonCorrelation,
  spearmanCorrelation,
} from './finetuning/metrics.js';
export type { TaskExample, TaskInputs, TaskKind, TaskTokens } from './finetuning/task-inputs.js';
export {
  type CreateTaskOptions,
  type Prediction,
  type TaskDefinition,
  TaskModel,
} from './finetuning/task-model.js';
export { type ParallelSentence, translationExamples, translationPrompt } from './finetuning/translation.js';
export type { GeneratedCompletion, GenerateResult, Prompt, StreamEvent } from './generation/generate.js';
export { type JsonSchema, UnsupportedSchemaError } from './generation/json-schema.js';
export type { LogitsContext, LogitsProcessor, StoppingCriterion } from './generation/logits-processor.js';
export type { GenerateOptions } from './generation/options.js';
export type { FinishReason, GeneratedToken, TokenLogProb } from './generation/sequence.js';
export { type EndpointOptions, endpointLanguageModel } from './language-model/endpoint.js';
export { EndpointError, type HttpOptions } from './language-model/http-client.js';
export type {
  Completion,
  CompletionOptions,
  CompletionScore,
  LanguageModel,
  ScoreRequest,
} from './language-model/language-model.js';
export { type LocalLanguageModelOptions, localLanguageModel } from './language-model/local.js';
export { LoRA, type LoRAFactors, type LoRAOptions } from './lora/lora.js';
export { extendVocabulary } from './model/extend-vocabulary.js';
export type { Dropout, LayerMemory, LinearAdapter } from './model/forward.js';
export {
  type CreateOptions,
  type ForwardOptions,
  type ForwardOutput,
  GPT,
  type LoadOptions,
  type LossOptions,
  type SaveOptions,
  type TokenIds,
} from './model/gpt.js';
export { chatSegments, type PrepareChatOptions, type PreparedChat } from './multimodal/chat.js';
export type { LoadMultimodalOptions, SaveMultimodalOptions } from './multimodal/checkpoint.js';
export { MultimodalInputError } from './multimodal/errors.js';
export { featureShape, imageFeatures } from './multimodal/image-features.js';
export {
  type ContentPart,
  type ImageLoader,
  type MultimodalMessage,
  type ReadMessage,
  type ReadMessagesOptions,
  readMessages,
} from './multimodal/messages.js';
export {
  type ChatResult,
  type CreateMultimodalOptions,
  type EncodedPrompt,
  type MultimodalConfigInput,
  MultimodalGPT,
  type TokenCount,
} from './multimodal/multimodal-gpt.js';
export {
  interleave,
  type MultimodalPrompt,
  type Piece,
  type PromptPart,
  type TextWithImages,
} from './multimodal/prompt.js';
export {
  type Choice,
  type ChooseOptions,
  chooseAnswer,
  compareImages,
  conditionOnGoodPerformance,
  fewShotMessages,
  type GoodPerformanceOptions,
  gridPrompt,
  type InstructionOptions,
  imageInstruction,
  type MarkedPrompt,
  type MarkedPromptOptions,
  markedPrompt,
  markName,
  parsePlace,
} from './multimodal/prompting.js';
export { stageFilter, type TrainingStage } from './multimodal/stages.js';
export {
  type ExampleSegment,
  type MultimodalDataset,
  type TrainMultimodalOptions,
  trainMultimodal,
} from './multimodal/training.js';
export {
  type ChainOfThoughtOptions,
  type ConsistentAnswer,
  chainOfThoughtPrompt,
  extractAnswer,
  type ReasonedExample,
  type SelfConsistencyOptions,
  selfConsistency,
} from './prompting/chain-of-thought.js';
export {
  type ChatMessage,
  type ChatTemplate,
  ChatTemplateError,
  type ChatTemplateOptions,
  chatML,
  harmony,
  humanAssistant,
  jinjaTemplate,
  templateFromTokenizerConfig,
} from './prompting/chat-template.js';
export {
  type Example,
  type FewShotOptions,
  type FewShotPrompt,
  fewShotPrompt,
} from './prompting/few-shot.js';
export type { EmbedOptions } from './scoring/embed.js';
export type { RollingOptions } from './scoring/rolling.js';
export type { ScoreOptions } from './scoring/score.js';
export {
  BatchEngine,
  type BatchEngineOptions,
  type EngineJob,
  type EngineResult,
  type EngineStats,
} from './serving/batch-engine.js';
export { EngineClosedError, QueueFullError } from './serving/errors.js';
export { ByteTokenizer } from './tokenization/byte-tokenizer.js';
export { CharacterTokenizer } from './tokenization/character-tokenizer.js';
export { tokenizerFromJSON, tokenizerFromVocabulary } from './tokenization/load-tokenizer.js';
export { withSpaceRuns } from './tokenization/space-runs.js';
export { SubwordTokenizer } from './tokenization/subword-tokenizer.js';
export type { EncodeTextOptions, Tokenizer } from './tokenization/tokenizer.js';
export { WordTokenizer } from './tokenization/word-tokenizer.js';
export type { CheckpointStore, SavedTraining, TrainableModel } from './training/checkpoint-store.js';
export { DivergedError, TrainingError } from './training/errors.js';
export type {
  CheckpointEvent,
  EndEvent,
  GuardEvent,
  SampleEvent,
  StartEvent,
  StepEvent,
  TrainingEvent,
  ValidationEvent,
} from './training/events.js';
export type { GuardOptions } from './training/guard.js';
export { type BatchRamp, type LearningRateOptions, learningRateSchedule } from './training/learning-rate.js';
export { pretrain, validationLoss } from './training/pretrain.js';
export type { PretrainOptions } from './training/pretrain-options.js';
export { type Recipe, type RecipeName, recipes } from './training/recipes.js';
export { type LoopOptions as TrainOptions, trainingLoop as train } from './training/training-loop.js';
export type { Feeds, HostTensor, TrainingTask } from './training/training-task.js';
