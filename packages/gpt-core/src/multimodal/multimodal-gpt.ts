import type { CLIP, Pixels, RawImage } from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig, GPTConfigInput, VisionConfig, VisionConfigInput } from '../config/config.js';
import { InvalidConfigError } from '../errors.js';
import type { GenerateResult, StreamEvent } from '../generation/generate.js';
import type { GenerateOptions } from '../generation/options.js';
import type { CompletionScore } from '../language-model/language-model.js';
import { GPT, type LossOptions } from '../model/gpt.js';
import { type ChatTemplate, chatML } from '../prompting/chat-template.js';
import type { ScoreOptions } from '../scoring/score.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';
import { type PrepareChatOptions, type PreparedChat, prepareChat, renderChat } from './chat.js';
import {
  type LoadMultimodalOptions,
  loadMultimodal,
  type SaveMultimodalOptions,
  saveMultimodal,
} from './checkpoint.js';
import { featureShape, imageFeatures } from './image-features.js';
import { isMessages, type MultimodalMessage, parseMessages } from './messages.js';
import { projectFeatures } from './projector.js';
import { type MultimodalPrompt, type Piece, partsOf, piecesOf } from './prompt.js';

/** A configuration whose `vision` may leave out what the encoder says: `nEmbd`, and `imageTokens` unless resampled. */
export type MultimodalConfigInput = Omit<GPTConfigInput, 'vision'> & {
  readonly vision: Pick<VisionConfigInput, 'projector'> & Partial<VisionConfigInput>;
};

export interface CreateMultimodalOptions {
  /** The image encoder; the model owns it from now on. */
  readonly clip: CLIP;
  /** Of the language model's and the projector's initial weights. Default 0. */
  readonly seed?: number;
  readonly tokenizer?: Tokenizer;
  /** How messages become text. Default ChatML. */
  readonly template?: ChatTemplate;
}

/** A prompt as token ids. Ids from `vocabSize` on are image tokens: those of image `i` follow each other. */
export interface EncodedPrompt {
  readonly tokenIds: readonly number[];
  /** Each image once, in the order of their ids. */
  readonly images: readonly RawImage[];
}

/** Tokens of a prompt by kind. */
export interface TokenCount {
  readonly total: number;
  readonly text: number;
  readonly image: number;
  readonly images: number;
}

/** What `chat` answers. */
export interface ChatResult extends GenerateResult {
  readonly prompt: PreparedChat;
}

/**
 * A GPT that sees (GPT-4V's input modes in the open recipe of LLaVA): a CLIP encoder's patch features become tokens of
 * the language model through a learned projection, and stand in the text where the image stands.
 *
 * Owns both models: dispose it, or declare it with `using`.
 */
export class MultimodalGPT implements Disposable {
  /** The language model; the projector's weights are among its variables, under `multi_modal_projector`. */
  readonly gpt: GPT;
  readonly clip: CLIP;
  readonly template: ChatTemplate;
  readonly config: GPTConfig & { readonly vision: VisionConfig };
  /** The language model's variables, and the encoder's under `vision_tower.`. */
  readonly variables: ReadonlyMap<string, tf.Variable>;

  /**
   * Joins two models.
   *
   * @throws {InvalidConfigError} `gpt.config.vision` is missing, or does not fit the encoder
   */
  constructor(gpt: GPT, clip: CLIP, template: ChatTemplate = chatML) {
    const { vision } = gpt.config;
    if (!vision) {
      throw new InvalidConfigError(
        'vision',
        null,
        'write { projector: "mlp", … } for a model that reads images',
      );
    }
    checkFit(vision, clip);
    this.gpt = gpt;
    this.clip = clip;
    this.template = template;
    this.config = { ...gpt.config, vision };
    this.variables = new Map([
      ...gpt.variables,
      ...[...clip.parameters.entries()].map(
        ([name, variable]) => [`vision_tower.${name}`, variable] as const,
      ),
    ]);
  }

  /**
   * A fresh language model and projector over an encoder.
   *
   * @throws {InvalidConfigError}
   */
  static create(config: MultimodalConfigInput, options: CreateMultimodalOptions): MultimodalGPT {
    const { clip, seed = 0, tokenizer, template } = options;
    const { classToken = false } = config.vision;
    const [patches, nEmbd] = featureShape(clip, { classToken });
    if (config.vision.projector === 'resampler' && config.vision.imageTokens === undefined) {
      throw new InvalidConfigError('vision.imageTokens', undefined, 'say how many queries the resampler has');
    }
    const vision = { nEmbd, imageTokens: patches, ...config.vision };
    checkFit({ layer: -1, classToken, ...vision }, clip);
    const gpt = GPT.create({ ...config, vision }, { seed, ...(tokenizer ? { tokenizer } : {}) });
    return new MultimodalGPT(gpt, clip, template);
  }

  /**
   * A folder that `save` wrote.
   *
   * @throws {CheckpointError} missing, damaged, or parts of different saves
   */
  static async load(folder: string, options: LoadMultimodalOptions = {}): Promise<MultimodalGPT> {
    const { gpt, clip, template } = await loadMultimodal(folder, options);
    return new MultimodalGPT(gpt, clip, options.template ?? template);
  }

  /**
   * Writes the language model with its projector as `GPT.save` does, the encoder in a folder beside it, and
   * `multimodal.json`, which names the encoder and comes last: a save that is interrupted leaves the folder as it was,
   * or one that `load` refuses.
   *
   * @throws {CheckpointError} the folder cannot be written
   */
  async save(folder: string, options: SaveMultimodalOptions = {}): Promise<void> {
    await saveMultimodal(folder, this, options);
  }

  /** Images as the encoder wants them: `[images, 3, height, width]`, the caller's. */
  pixels(images: readonly RawImage[]): tf.Tensor4D {
    const { data, shape } = this.clip.preprocess(images);
    return tf.tensor4d(data, [...shape] as [number, number, number, number], 'float32');
  }

  /**
   * Image tokens; differentiable with respect to projector and encoder.
   *
   * @param pixels `[images, 3, height, width]`
   * @returns `[images, imageTokens, nEmbd]`, the caller's
   */
  imageTokens(pixels: Pixels): tf.Tensor3D {
    return tf.tidy(() => {
      const features = imageFeatures(this.clip, pixels, this.config.vision);
      return projectFeatures(this.gpt.variables, this.config, features);
    });
  }

  /**
   * Mean cross entropy of the labels that count, in nats; image tokens never do.
   *
   * @param tokenIds `[batch, length]` int32; ids from `vocabSize` on count the image tokens of all `pixels` in a row
   * @param pixels `[images, 3, height, width]`, images of all rows; absent: text only
   */
  loss(
    tokenIds: tf.Tensor2D,
    labels: tf.Tensor2D = tokenIds,
    pixels?: tf.Tensor4D,
    options: Omit<LossOptions, 'softTokens' | 'embeddings'> = {},
  ): tf.Scalar {
    return tf.tidy(() => {
      const softTokens = pixels && this.#flat(this.imageTokens(pixels));
      return this.gpt.loss(tokenIds, labels, { ...options, ...(softTokens && { softTokens }) });
    });
  }

  /**
   * Token ids of a prompt, with `imageTokens` ids for each image.
   *
   * @throws {MultimodalInputError} something that is neither text nor image
   * @throws {TokenizationError} the model has no tokenizer
   */
  encode(prompt: MultimodalPrompt | Prepared): EncodedPrompt {
    const images = new ImageTable();
    return { tokenIds: this.#layout(prompt, images), images: images.list };
  }

  /**
   * Tokens that a prompt takes, or a list of messages with the beginning of an answer. Images of messages are not
   * decoded or fetched for that.
   */
  countTokens(prompt: MultimodalPrompt | PreparedChat | readonly MultimodalMessage[]): TokenCount {
    const { tokenIds } = this.encode(isMessages(prompt) ? this.#outline(prompt) : prompt);
    const { vocabSize, vision } = this.config;
    const image = tokenIds.reduce((sum, id) => sum + (id >= vocabSize ? 1 : 0), 0);
    return {
      total: tokenIds.length,
      text: tokenIds.length - image,
      image,
      images: image / vision.imageTokens,
    };
  }

  /**
   * Continues a prompt of text and images.
   *
   * @param options as `GPT.generate`; `contextOverflow` is `stop` here unless given
   * @throws {ContextLengthError} the prompt is longer than the context
   */
  async generate(
    prompt: MultimodalPrompt | PreparedChat,
    options: GenerateOptions = {},
  ): Promise<GenerateResult> {
    return (await this.generateBatch([prompt], options))[0]!;
  }

  /** The same for several prompts at once; an image that occurs in several is encoded once. */
  async generateBatch(
    prompts: readonly (MultimodalPrompt | PreparedChat)[],
    options: GenerateOptions = {},
  ): Promise<GenerateResult[]> {
    const images = new ImageTable();
    const rows = prompts.map((prompt, at) => this.#layout(prompt, images, `prompts[${at}]`));
    return this.#withImages(images, (soft) =>
      this.gpt.generate(rows, { contextOverflow: 'stop', ...options, ...soft }),
    );
  }

  /** Token by token. Leave the loop, or abort `options.signal`, to end it. */
  async *stream(
    prompt: MultimodalPrompt | PreparedChat,
    options: GenerateOptions = {},
  ): AsyncGenerator<StreamEvent, void, undefined> {
    const images = new ImageTable();
    const row = this.#layout(prompt, images);
    const softTokens = this.#softTokens(images);
    try {
      yield* this.gpt.stream(row, { contextOverflow: 'stop', ...options, ...(softTokens && { softTokens }) });
    } finally {
      softTokens?.dispose();
    }
  }

  /**
   * Log-likelihoods of completions, as `GPT.score`: `completions[i]` (or each of its entries) given `prompts[i]`.
   */
  score(
    prompts: readonly (MultimodalPrompt | PreparedChat)[],
    completions: readonly string[],
    options?: ScoreOptions,
  ): Promise<CompletionScore[]>;
  score(
    prompts: readonly (MultimodalPrompt | PreparedChat)[],
    completions: readonly (readonly string[])[],
    options?: ScoreOptions,
  ): Promise<CompletionScore[][]>;
  async score(
    prompts: readonly (MultimodalPrompt | PreparedChat)[],
    completions: readonly (string | readonly string[])[],
    options: ScoreOptions = {},
  ): Promise<CompletionScore[] | CompletionScore[][]> {
    const images = new ImageTable();
    // A text alone is encoded together with its completion, as GPT.score does.
    const rows = prompts.map((prompt, at) =>
      typeof prompt === 'string' ? prompt : this.#layout(prompt, images, `prompts[${at}]`),
    );
    return this.#withImages(images, (soft) =>
      this.gpt.score(rows, completions as readonly (readonly string[])[], { ...options, ...soft }),
    );
  }

  /**
   * Messages as the model reads them, with the beginning of an answer: images decoded, checked against the context,
   * oldest messages dropped where `overflow` says so.
   *
   * @throws {MultimodalInputError} a message that cannot be read, naming the field
   * @throws {ContextLengthError} too long for the context
   */
  prepareChat(
    messages: readonly MultimodalMessage[],
    options: PrepareChatOptions = {},
  ): Promise<PreparedChat> {
    return prepareChat(this, messages, options);
  }

  /** Answers messages. Stop strings of the template end the answer. */
  async chat(
    messages: readonly MultimodalMessage[],
    options: GenerateOptions & { readonly prepare?: PrepareChatOptions } = {},
  ): Promise<ChatResult> {
    const { prepare, ...rest } = options;
    const prompt = await this.prepareChat(messages, { reserve: reserveOf(rest), ...prepare });
    return { ...(await this.generate(prompt, this.#withStops(rest))), prompt };
  }

  /** Answers messages token by token. */
  async *streamChat(
    messages: readonly MultimodalMessage[],
    options: GenerateOptions & { readonly prepare?: PrepareChatOptions } = {},
  ): AsyncGenerator<StreamEvent, void, undefined> {
    const { prepare, ...rest } = options;
    const prompt = await this.prepareChat(messages, { reserve: reserveOf(rest), ...prepare });
    yield* this.stream(prompt, this.#withStops(rest));
  }

  dispose(): void {
    this.gpt.dispose();
    this.clip.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #withStops(options: GenerateOptions): GenerateOptions {
    const { stop = [] } = options;
    return { ...options, stop: [...(typeof stop === 'string' ? [stop] : stop), ...this.template.stop] };
  }

  #layout(prompt: MultimodalPrompt | Prepared, images: ImageTable, field = 'prompt'): number[] {
    const pieces = isPrepared(prompt) ? prompt.pieces : piecesOf(partsOf(prompt, field));
    return this.encodePieces(pieces, (image) => images.index(image));
  }

  /** Ids of pieces; `indexOf` numbers the images. For callers that lay out batches of their own. */
  encodePieces(pieces: readonly Piece[], indexOf: (image: RawImage) => number): number[] {
    const { vocabSize, vision } = this.config;
    const tokenIds: number[] = [];
    for (const piece of pieces) {
      if (piece.text === undefined) {
        const first = vocabSize + indexOf(piece.image) * vision.imageTokens;
        for (let i = 0; i < vision.imageTokens; i++) tokenIds.push(first + i);
      } else {
        for (const id of this.gpt.encode(piece.text, piece.special ? { allowedSpecial: 'all' } : {}))
          tokenIds.push(id);
      }
    }
    return tokenIds;
  }

  /** Messages with an empty image in every place of one. */
  #outline(messages: readonly MultimodalMessage[]): Pick<PreparedChat, 'pieces'> {
    const read = parseMessages(messages).map(({ role, parts }) => ({
      role,
      parts: parts.map((part) =>
        typeof part === 'string'
          ? part
          : { width: 1, height: 1, channels: 3 as const, data: new Uint8Array(3) },
      ),
    }));
    return { pieces: renderChat(this.template, read, { addGenerationPrompt: true }) };
  }

  /** `[images * imageTokens, nEmbd]`; nothing without images. */
  #softTokens(images: ImageTable): tf.Tensor2D | undefined {
    if (images.list.length === 0) return undefined;
    return tf.tidy(() => this.#flat(this.imageTokens(this.pixels(images.list))));
  }

  #flat(tokens: tf.Tensor3D): tf.Tensor2D {
    return tf.reshape(tokens, [-1, this.config.nEmbd]) as tf.Tensor2D;
  }

  async #withImages<T>(
    images: ImageTable,
    run: (soft: { softTokens?: tf.Tensor2D }) => Promise<T>,
  ): Promise<T> {
    const softTokens = this.#softTokens(images);
    try {
      return await run(softTokens ? { softTokens } : {});
    } finally {
      softTokens?.dispose();
    }
  }
}

/** Numbers images; the same object is the same image. */
class ImageTable {
  readonly #indices = new Map<RawImage, number>();

  index(image: RawImage): number {
    const known = this.#indices.get(image);
    if (known !== undefined) return known;
    this.#indices.set(image, this.#indices.size);
    return this.#indices.size - 1;
  }

  get list(): RawImage[] {
    return [...this.#indices.keys()];
  }
}

type Prepared = Pick<PreparedChat, 'pieces'>;

function isPrepared(prompt: MultimodalPrompt | Prepared): prompt is Prepared {
  return typeof prompt === 'object' && 'pieces' in prompt;
}

function reserveOf({ maxTokens, maxNewTokens }: GenerateOptions): number {
  return maxTokens ?? maxNewTokens ?? 64;
}

function checkFit(
  {
    nEmbd,
    imageTokens,
    projector,
    classToken,
    layer,
  }: Omit<VisionConfig, 'resamplerLayers' | 'resamplerHeads'>,
  clip: CLIP,
): void {
  const [patches, width] = featureShape(clip, { classToken });
  if (nEmbd !== width) {
    throw new InvalidConfigError('vision.nEmbd', nEmbd, `the encoder's features have a width of ${width}`);
  }
  if (projector !== 'resampler' && imageTokens !== patches) {
    const fix = `the encoder gives ${patches} features for an image; write that, or use a resampler`;
    throw new InvalidConfigError('vision.imageTokens', imageTokens, fix);
  }
  const { vision } = clip.config;
  if (vision?.kind === 'vit' && -layer > vision.nLayer + 1) {
    throw new InvalidConfigError('vision.layer', layer, `the encoder has ${vision.nLayer + 1} hidden states`);
  }
}
