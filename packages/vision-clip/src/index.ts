import '@gpt-lineage/compute';

export type { SaveOptions } from './checkpoint/save.js';
export {
  type Activation,
  type ClipConfig,
  defaultLogitScale,
  type PresetName,
  presets,
  type ResNetConfig,
  type TextConfig,
  type VitConfig,
  validateConfig,
} from './config.js';
export {
  CheckpointError,
  ClipConfigError,
  ClipInputError,
  ImageError,
  type ImageErrorReason,
} from './errors.js';
export { decodeImage, encodePng } from './image/image.js';
export { GptLineageError } from './lineage-error.js';
export { clipLoss, siglipLoss, similarityLogits } from './loss/contrastive.js';
export { drawMarks, type MarkedImage } from './marks/draw-marks.js';
export type {
  ArrowMark,
  Box,
  BoxMark,
  CircleMark,
  DrawnMark,
  EllipseMark,
  GridMark,
  Mark,
  MaskMark,
  Point,
  PointMark,
  TextMark,
} from './marks/marks.js';
export { CLIP, type ClipOutput, type EncodeOptions, type Pixels } from './model/clip.js';
export { type CompiledEncoders, type CompileOptions, compileEncoders } from './model/compiled-encoders.js';
export {
  type BatchStatistics,
  type ResNetOptions,
  type ResNetOutput,
  updateRunningStatistics,
} from './model/modified-resnet.js';
export { countParameters } from './model/parameter-specs.js';
export type { Parameters } from './model/parameters.js';
export type { TextOutput, TokenIds } from './model/text-transformer.js';
export type { TowerTrace, TraceOptions } from './model/transformer.js';
export type { VisionOutput } from './model/vision-transformer.js';
export type { DecodeOptions, ImageSource } from './platform/types.js';
export {
  openaiMean,
  openaiStd,
  type PreprocessConfig,
  parsePreprocessConfig,
} from './preprocess/config.js';
export { cropForEncoder, type PixelValues, preprocess } from './preprocess/preprocess.js';
export type { RawImage } from './preprocess/raw-image.js';
export { type Interpolation, resample } from './preprocess/resample.js';
export { Random } from './random.js';
export { SafetensorsError } from './safetensors/errors.js';
export { loadTokenizer } from './text/load-tokenizer.js';
export { type TextEncoderLike, type TokenizeOptions, tokenize } from './text/tokenize.js';
export { type AugmentOptions, augment } from './training/augment.js';
export {
  type ContrastiveGradients,
  contrastiveGradients,
  type GradientOptions,
  type MicroBatch,
  type Tower,
} from './training/contrastive-gradients.js';
export { encodeImages, encodeTexts } from './training/evaluate.js';
export {
  pairRanks,
  type RetrievalMetrics,
  type RetrievalOptions,
  type RetrievalReport,
  retrievalMetrics,
  summarizeRanks,
} from './training/metrics.js';
export {
  type ContrastiveDataset,
  type ContrastiveExample,
  ContrastiveTrainer,
  type TrainerOptions,
  type TrainerState,
  type TrainStep,
} from './training/trainer.js';
export { type EmbedImagesOptions, embedImages, type ImageEmbeddings } from './use/embed-images.js';
export { imagenetTemplates } from './use/imagenet-templates.js';
export { RetrievalIndex, type SearchResult, similarityMatrix } from './use/retrieval-index.js';
export { ZeroShotClassifier, type ZeroShotOptions, type ZeroShotResult } from './use/zero-shot.js';
