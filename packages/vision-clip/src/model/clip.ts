import { linear } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { platform } from '#platform';
import { loadCheckpoint } from '../checkpoint/load.js';
import { type SaveOptions, saveCheckpoint } from '../checkpoint/save.js';
import { type ClipConfig, type PresetName, presets, type TextConfig, validateConfig } from '../config.js';
import { ClipConfigError, ClipInputError } from '../errors.js';
import { similarityLogits } from '../loss/contrastive.js';
import type { PreprocessConfig } from '../preprocess/config.js';
import { type PixelValues, preprocess } from '../preprocess/preprocess.js';
import type { RawImage } from '../preprocess/raw-image.js';
import { type BatchStatistics, modifiedResNet, type ResNetOutput } from './modified-resnet.js';
import { Parameters } from './parameters.js';
import { pooledText, type TextOutput, type TokenIds, textTransformer } from './text-transformer.js';
import { l2Normalize, type TraceOptions } from './transformer.js';
import { pooledVision, type VisionOutput, visionTransformer } from './vision-transformer.js';

/** Encoder input: what `preprocess` returns, a list of such images, or a tensor `[batch, 3, height, width]`. */
export type Pixels = PixelValues | readonly PixelValues[] | tf.Tensor;

export interface EncodeOptions {
  /** Divide by the length, so that a dot product is a cosine. Default `true`. */
  readonly normalize?: boolean;
}

export interface ClipOutput {
  /** `[images, embedDim]`, normalised */
  readonly imageEmbeds: tf.Tensor2D;
  /** `[texts, embedDim]`, normalised */
  readonly textEmbeds: tf.Tensor2D;
  /** `[images, texts]` */
  readonly logitsPerImage: tf.Tensor2D;
  /** `[texts, images]` */
  readonly logitsPerText: tf.Tensor2D;
}

interface Parts {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly parameters: Parameters;
  readonly unusedTensors?: readonly string[];
  readonly extraFiles?: ReadonlyMap<string, Uint8Array>;
}

/**
 * A CLIP model: image tower, text tower, and the space they share. Radford et al. 2021, "Learning Transferable
 * Visual Models From Natural Language Supervision". Owns its weights; `dispose` (or `using`) frees them.
 */
export class CLIP implements Disposable {
  readonly config: ClipConfig;
  /** How images are prepared for this model. */
  readonly preprocessConfig: PreprocessConfig;
  /** Weights by our names; state of batch norm included. */
  readonly parameters: Parameters;
  /** Tensors of the loaded file that belong to nothing here. Empty for a sound checkpoint. */
  readonly unusedTensors: readonly string[];
  /** Tokenizer files found beside the weights; `save` writes them again. */
  readonly extraFiles: ReadonlyMap<string, Uint8Array>;

  /** Use `CLIP.create` or `CLIP.load`. */
  constructor(parts: Parts) {
    this.config = parts.config;
    this.preprocessConfig = parts.preprocess;
    this.parameters = parts.parameters;
    this.unusedTensors = parts.unusedTensors ?? [];
    this.extraFiles = parts.extraFiles ?? new Map();
  }

  /**
   * A model with fresh weights.
   *
   * @param config a preset's name or a config
   * @param options `seed`: default 0; the same seed gives the same weights on every backend
   * @throws {ClipConfigError}
   */
  static create(
    config: PresetName | ClipConfig,
    options: {
      readonly seed?: number;
      readonly preprocess?: PreprocessConfig;
      readonly extraFiles?: ReadonlyMap<string, Uint8Array>;
    } = {},
  ): CLIP {
    const resolved = validateConfig(typeof config === 'string' ? preset(config) : config);
    const size = resolved.vision ? { size: resolved.vision.imageSize } : {};
    return new CLIP({
      config: resolved,
      preprocess: { ...size, ...options.preprocess },
      parameters: Parameters.initialize(resolved, options.seed ?? 0),
      ...(options.extraFiles ? { extraFiles: options.extraFiles } : {}),
    });
  }

  /**
   * Loads a folder with weights of transformers, open_clip or OpenAI (safetensors). A folder of only one tower
   * loads too; the other encoder then throws.
   *
   * @param location a folder (Node) or the URL of one (Node and browsers)
   * @throws {CheckpointError} when files or tensors are missing or do not fit the config
   * @throws {SafetensorsError} when the weight file is broken
   * @throws {ClipConfigError} when the config makes no sense
   */
  static async load(location: string | URL): Promise<CLIP> {
    return new CLIP(await loadCheckpoint(await platform.openFolder(location)));
  }

  /** Writes a folder that transformers loads; ResNets are written as open_clip has them. */
  async save(location: string | URL, options: SaveOptions = {}): Promise<void> {
    const folder = await platform.openFolder(location);
    await saveCheckpoint(
      folder,
      this.config,
      this.parameters,
      this.preprocessConfig,
      this.extraFiles,
      options,
    );
  }

  /** Images as this model wants them: `preprocess` with `preprocessConfig`. */
  preprocess(image: RawImage | readonly RawImage[]): PixelValues {
    return preprocess(image, this.preprocessConfig);
  }

  /**
   * @param pixels one image `[3, height, width]` or a batch `[batch, 3, height, width]`
   * @returns `[batch, embedDim]`, of length 1 unless `normalize: false`; owned by the caller
   * @throws {ClipInputError} when the size does not fit
   */
  encodeImage(pixels: Pixels, options: EncodeOptions = {}): tf.Tensor2D {
    return tf.tidy(() => {
      const features = this.#imageFeatures(pixels);
      return options.normalize === false ? features : l2Normalize(features);
    });
  }

  /**
   * @param tokenIds one text, several of any lengths, or a tensor `[batch, length]`, each with its end token
   * @returns `[batch, embedDim]`, of length 1 unless `normalize: false`; owned by the caller
   * @throws {ClipInputError} when a text is too long, has unknown ids or no end token
   */
  encodeText(tokenIds: TokenIds, options: EncodeOptions = {}): tf.Tensor2D {
    return tf.tidy(() => {
      const features = this.#project('text.projection', pooledText(this.parameters, this.#text(), tokenIds));
      return options.normalize === false ? features : l2Normalize(features);
    });
  }

  /** Both encoders and their similarities. All tensors are the caller's. */
  forward(pixels: Pixels, tokenIds: TokenIds): ClipOutput {
    return tf.tidy(() => {
      const imageEmbeds = this.encodeImage(pixels);
      const textEmbeds = this.encodeText(tokenIds);
      const logitsPerImage = this.similarity(imageEmbeds, textEmbeds);
      return {
        imageEmbeds,
        textEmbeds,
        logitsPerImage,
        logitsPerText: tf.transpose(logitsPerImage) as tf.Tensor2D,
      };
    });
  }

  /** `[images, texts]`: scaled similarities of normalised embeddings; a softmax over texts is zero-shot. */
  similarity(imageEmbeds: tf.Tensor2D, textEmbeds: tf.Tensor2D): tf.Tensor2D {
    const bias = this.parameters.has('logitBias') ? this.parameters.get('logitBias') : undefined;
    return similarityLogits(imageEmbeds, textEmbeds, this.parameters.get('logitScale'), bias);
  }

  /**
   * The image transformer from inside: patch features for image tokens, hidden states, attention maps.
   *
   * @throws {ClipInputError} when the model has no vision transformer
   */
  vision(pixels: Pixels, options: TraceOptions = {}): VisionOutput {
    const { vision } = this.config;
    if (vision?.kind !== 'vit') throw new ClipInputError('vision', 'needs a model with a vision transformer');
    return tidy(() => visionTransformer(this.parameters, vision, pixelBatch(pixels), options));
  }

  /** The ResNet's stage outputs and pooled embedding. @throws {ClipInputError} when the model has none */
  resnet(
    pixels: Pixels,
    options: { readonly outputStages?: boolean; readonly collect?: BatchStatistics[] } = {},
  ): ResNetOutput {
    const { vision } = this.config;
    if (vision?.kind !== 'resnet')
      throw new ClipInputError('resnet', 'needs a model with a ResNet image tower');
    return tidy(() => modifiedResNet(this.parameters, vision, pixelBatch(pixels), options));
  }

  /** The text transformer from inside. @throws {ClipInputError} when the model has none */
  text(tokenIds: TokenIds, options: TraceOptions = {}): TextOutput {
    return tidy(() => textTransformer(this.parameters, this.#text(), tokenIds, options));
  }

  dispose(): void {
    this.parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #imageFeatures(pixels: Pixels): tf.Tensor2D {
    const { vision } = this.config;
    if (!vision)
      throw new ClipInputError('encodeImage', 'needs an image tower; this model has only a text tower');
    const batch = pixelBatch(pixels);
    if (vision.kind === 'resnet') return modifiedResNet(this.parameters, vision, batch).pooled;
    return this.#project('vision.projection', pooledVision(this.parameters, vision, batch));
  }

  #project(name: string, pooled: tf.Tensor2D): tf.Tensor2D {
    return linear(pooled, this.parameters.get(name), null, { transposeWeight: true }) as tf.Tensor2D;
  }

  #text(): TextConfig {
    if (!this.config.text)
      throw new ClipInputError('encodeText', 'needs a text tower; this model has only an image tower');
    return this.config.text;
  }
}

/** `tf.tidy` for results that hold lists of tensors; its own type knows no such objects. */
function tidy<T>(make: () => T): T {
  return tf.tidy(make as () => tf.TensorContainer) as T;
}

function preset(name: string): ClipConfig {
  if (!Object.hasOwn(presets, name)) {
    throw new ClipConfigError(
      'config',
      `must be one of ${Object.keys(presets).join(', ')}, received "${name}"`,
    );
  }
  return presets[name as PresetName];
}

/** Any accepted input as one tensor `[batch, 3, height, width]`. */
export function pixelBatch(pixels: Pixels): tf.Tensor4D {
  if (pixels instanceof tf.Tensor) return rank4(pixels);
  if (!isList(pixels)) return rank4(tf.tensor(pixels.data, [...pixels.shape], 'float32'));
  if (pixels.length === 0) throw new ClipInputError('pixels', 'must hold at least one image');
  return tf.concat(
    pixels.map((one) => rank4(tf.tensor(one.data, [...one.shape], 'float32'))),
    0,
  );
}

function isList(pixels: PixelValues | readonly PixelValues[]): pixels is readonly PixelValues[] {
  return Array.isArray(pixels);
}

function rank4(tensor: tf.Tensor): tf.Tensor4D {
  if (tensor.rank === 3) return tf.expandDims(tensor, 0) as tf.Tensor4D;
  if (tensor.rank !== 4) {
    throw new ClipInputError(
      'pixels',
      `must be [batch, 3, height, width] or [3, height, width], received [${tensor.shape}]`,
    );
  }
  return tensor as tf.Tensor4D;
}
