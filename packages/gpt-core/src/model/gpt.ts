import type { KVCache } from '@gpt-lineage/attention';
import { linear, linearCrossEntropy, softmaxCrossEntropy } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { checksumsOf } from '../checkpoint/checksums.js';
import type { CheckpointReader, CheckpointWriter } from '../checkpoint/files.js';
import { generationConfig } from '../checkpoint/generation-config.js';
import { configFromHuggingFace, configToHuggingFace } from '../checkpoint/hf-config.js';
import { readWeights } from '../checkpoint/read-weights.js';
import { checkpointTensors } from '../checkpoint/write-weights.js';
import { familyOf } from '../checkpoint-names.js';
import { type GPTConfig, type GPTConfigInput, parseConfig } from '../config/config.js';
import {
  CheckpointError,
  ContextLengthError,
  DisposedError,
  InvalidArgumentError,
  TokenizationError,
  TokenizerMismatchError,
} from '../errors.js';
import { DecodePrograms } from '../generation/decode-programs.js';
import {
  type GenerateResult,
  generateBatch,
  generateStream,
  type Prompt,
  type StreamEvent,
} from '../generation/generate.js';
import type { GenerateOptions } from '../generation/options.js';
import type { CompletionScore } from '../language-model/language-model.js';
import { prefixTokenOf } from '../language-model/local.js';
import { type EmbedOptions, embed } from '../scoring/embed.js';
import { type RollingOptions, rollingLogLikelihood } from '../scoring/rolling.js';
import { encodePair, type ScoreOptions, scoreRequests } from '../scoring/score.js';
import { tokenizerFromJSON, tokenizerFromVocabulary } from '../tokenization/load-tokenizer.js';
import type { EncodeTextOptions, Tokenizer } from '../tokenization/tokenizer.js';
import type { ExternalCache } from './external-attention.js';
import { forward, type LayerMemory, type LinearAdapter } from './forward.js';
import { initializeParameters, nextModelId } from './parameters.js';
import { mixedEmbeddings } from './soft-tokens.js';

/** Token ids as rows of equal length, or a tensor `[batch, length]` int32. */
export type TokenIds = tf.Tensor2D | readonly (readonly number[])[];

export interface ForwardOptions {
  /** `[batch, length]`: 1 = token, 0 = padding, which no token sees. Default: no padding. */
  readonly attentionMask?: TokenIds;
  /** `[batch, length]`: a token sees only tokens of its own segment (packed documents). Default: one segment. */
  readonly segmentIds?: TokenIds;
  /** `[batch, length]`. Default 0, 1, 2, …; with `attentionMask`, counted from each row's first token. */
  readonly positionIds?: TokenIds;
  /** `[batch, length, nEmbd]` in place of the token embeddings; `tokenIds` may then be left out. */
  readonly embeddings?: tf.Tensor3D;
  /** `[count, nEmbd]`: embeddings of token ids `vocabSize`, `vocabSize + 1`, …: image tokens, soft prompts. */
  readonly softTokens?: tf.Tensor2D;
  /** Dropout on. Default `false`. */
  readonly training?: boolean;
  /** Of the dropout. Inside `capture` give an int32 scalar tensor, fed anew at each step. Default 0. */
  readonly seed?: number | tf.Tensor;
  /**
   * Gradient checkpointing: a scalar 0 (inside `capture`, one that is an argument). Blocks are then run again in the
   * backward pass instead of being kept, and `loss` makes the logits in chunks of positions.
   */
  readonly recompute?: tf.Scalar;
  readonly outputHiddenStates?: boolean;
  readonly outputAttentions?: boolean;
  /** Keys and values of the tokens before; this pass appends its own, `cache.advance` is the caller's. */
  readonly cache?: KVCache;
  /**
   * Segment memory of a model with `memoryLength`; the pass reads it and leaves its own states in it
   * (`SegmentMemory` of the attention package).
   */
  readonly memory?: LayerMemory;
  /** Positions that go through the output matrix. Default `all`. */
  readonly logits?: 'all' | 'last' | 'none';
  /**
   * First position whose output is wanted, default 0: logits and last hidden states begin there, and the last block does
   * not compute what nobody reads. Not together with a cache, memory or segments.
   */
  readonly from?: number;
}

export interface ForwardOutput {
  /** `[batch, length, vocabSize]`; `[batch, 1, vocabSize]` with `logits: 'last'`, empty with `'none'` */
  readonly logits: tf.Tensor3D;
  /** After the last block and the final norm: `[batch, length, nEmbd]` */
  readonly lastHiddenState: tf.Tensor3D;
  /** Input of every block, then `lastHiddenState`: nLayer + 1 tensors `[batch, length, nEmbd]` */
  readonly hiddenStates?: tf.Tensor3D[];
  /** Attention weights of every layer: `[batch, heads, queryLength, keyLength]` */
  readonly attentions?: tf.Tensor4D[];
}

export interface LossOptions
  extends Omit<ForwardOptions, 'outputHiddenStates' | 'outputAttentions' | 'logits' | 'cache' | 'from'> {
  /** Label of positions that do not count. Default -100. */
  readonly ignoreIndex?: number;
  /** `[batch, length]`: 1 = the label counts, 0 = it does not. */
  readonly lossMask?: TokenIds;
  /**
   * `false` (default): `labels[t]` is the token at `t`, and the model shifts them, as transformers does. `true`:
   * `labels[t]` is already the token that follows position `t`, as nanoGPT's batches are.
   */
  readonly labelsShifted?: boolean;
}

export interface CreateOptions {
  /** Of the initial weights. Default 0. */
  readonly seed?: number;
  readonly tokenizer?: Tokenizer;
}

export interface LoadOptions {
  /** Replaces fields of the stored configuration, e.g. a `layerPattern` that `config.json` cannot say. */
  readonly config?: GPTConfigInput;
  /** Use this tokenizer; it must be the one that the checkpoint was saved with. */
  readonly tokenizer?: Tokenizer;
}

export interface SaveOptions {
  /** Split the weights into files of about this many bytes. Default: one file. */
  readonly maxShardBytes?: number;
}

/**
 * A decoder-only transformer of the GPT family. Owns its variables: dispose it, or declare it with `using`.
 *
 * Tensors that its methods return belong to the caller.
 */
export class GPT {
  readonly config: GPTConfig;
  /** Every parameter, by its name in GPT-2's Hugging Face checkpoints; matrices are `[in, out]`. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  /** Added to linear layers by module name (`transformer.h.0.attn.c_attn`); empty unless someone fills it. */
  readonly adapters = new Map<string, LinearAdapter>();
  tokenizer: Tokenizer | undefined;
  #disposed = false;
  #programs: DecodePrograms | undefined;

  private constructor(
    config: GPTConfig,
    variables: ReadonlyMap<string, tf.Variable>,
    tokenizer: Tokenizer | undefined,
  ) {
    this.config = config;
    this.variables = variables;
    this.tokenizer = tokenizer;
  }

  /**
   * A model with fresh weights.
   *
   * @throws {InvalidConfigError}
   */
  static create(config: GPTConfigInput, options: CreateOptions = {}): GPT {
    const { seed = 0, tokenizer } = options;
    const parsed = parseConfig(config);
    checkVocabulary(parsed, tokenizer);
    return new GPT(parsed, initializeParameters(parsed, seed, nextModelId()), tokenizer);
  }

  /**
   * A model from a Hugging Face checkpoint: GPT-1 (`OpenAIGPT`), GPT-2, GPT-Neo, or one that `save` wrote.
   *
   * @param source folder in Node, or a reader of your own
   * @throws {CheckpointError} missing, damaged, or of another kind of model
   * @throws {TokenizerMismatchError} `options.tokenizer` differs from the one the checkpoint was saved with
   */
  static async load(source: string | CheckpointReader, options: LoadOptions = {}): Promise<GPT> {
    const reader = typeof source === 'string' ? await openDirectory(source) : source;
    const json = await reader.readText('config.json');
    if (json === undefined) throw new CheckpointError(reader.path, 'has no config.json');
    const stored = configFromHuggingFace(
      parseJson(json, `${reader.path}/config.json`),
      `${reader.path}/config.json`,
    );
    const config = options.config ? parseConfig({ ...stored.config, ...options.config }) : stored.config;
    const tokenizer = options.tokenizer ?? (await readTokenizer(reader));
    const weights = await openWeights(reader);
    try {
      const fingerprint = weights.metadata.get('tokenizer_fingerprint');
      if (tokenizer && fingerprint !== undefined && fingerprint !== tokenizer.fingerprint) {
        throw new TokenizerMismatchError(fingerprint, tokenizer.fingerprint);
      }
      checkVocabulary(config, tokenizer);
      const variables = await readWeights(weights, config, stored.family, reader.path, nextModelId());
      return new GPT(config, variables, tokenizer);
    } finally {
      await weights.close();
    }
  }

  /**
   * Writes `config.json`, `generation_config.json`, `model.safetensors`, and `tokenizer.json` when the model has a tokenizer, so that
   * transformers loads the folder. All files change together: a process killed at any moment leaves one whole save.
   *
   * @throws {CheckpointError} the folder cannot be written
   */
  async save(target: string | CheckpointWriter, options: SaveOptions = {}): Promise<void> {
    this.#assertLive();
    const writer = typeof target === 'string' ? await createDirectory(target) : target;
    const family = familyOf(this.config);
    const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
    if (this.tokenizer) await writer.writeText('tokenizer.json', pretty(this.tokenizer.toTokenizerJSON()));
    await writer.writeText('config.json', pretty(configToHuggingFace(this.config)));
    await writer.writeText('generation_config.json', pretty(generationConfig(this.config, this.tokenizer)));
    const tensors = checkpointTensors(this.variables, this.config, family);
    await writer.writeWeights(
      tensors,
      {
        format: 'pt',
        checksums: JSON.stringify(await checksumsOf(tensors)),
        ...(this.tokenizer ? { tokenizer_fingerprint: this.tokenizer.fingerprint } : {}),
      },
      options.maxShardBytes,
    );
    await writer.commit?.();
  }

  /** Trainable scalars. */
  get parameterCount(): number {
    let count = 0;
    for (const variable of this.variables.values()) count += variable.size;
    return count;
  }

  /**
   * One pass over whole sequences.
   *
   * @param tokenIds `[batch, length]`, length at most `config.contextLength`
   * @throws {ContextLengthError} too long
   * @throws {InvalidArgumentError} ragged rows, ids outside of the vocabulary, masks of another shape
   */
  forward(tokenIds: TokenIds | undefined, options: ForwardOptions = {}): ForwardOutput {
    this.#assertLive();
    return tf.tidy(() => {
      const maps: tf.Tensor4D[] | undefined = options.outputAttentions ? [] : undefined;
      const result = this.#run(tokenIds, options, options.logits ?? 'all', maps);
      return {
        logits:
          result.logits ?? tf.zeros<tf.Rank.R3>([result.lastHiddenState.shape[0], 0, this.config.vocabSize]),
        lastHiddenState: result.lastHiddenState,
        ...(options.outputHiddenStates ? { hiddenStates: result.hiddenStates } : {}),
        ...(maps ? { attentions: maps } : {}),
      } as unknown as tf.TensorContainerObject;
    }) as unknown as ForwardOutput;
  }

  /**
   * Mean cross entropy, in nats, of the labels that count; a scalar that can be differentiated.
   *
   * @param labels `[batch, length]`; default: the tokens themselves (language modelling)
   */
  loss(tokenIds: TokenIds, labels: TokenIds = tokenIds, options: LossOptions = {}): tf.Scalar {
    this.#assertLive();
    const { ignoreIndex = -100, labelsShifted = false, lossMask } = options;
    return tf.tidy(() => {
      const { recompute } = options;
      const { logits, lastHiddenState } = this.#run(tokenIds, options, recompute ? 'none' : 'all', undefined);
      const [batch, length, nEmbd] = lastHiddenState.shape;
      let targets = asTensor(labels, 'labels', [batch, length]);
      if (options.softTokens) {
        // What has no id in the vocabulary cannot be predicted.
        const isWord = tf.less(targets, tf.scalar(this.config.vocabSize, 'int32'));
        targets = tf.where(isWord, targets, tf.fill([batch, length], ignoreIndex, 'int32'));
      }
      if (lossMask) {
        const kept = asTensor(lossMask, 'lossMask', [batch, length]);
        targets = tf.where(tf.cast(kept, 'bool'), targets, tf.fill([batch, length], ignoreIndex, 'int32'));
      }
      if (!labelsShifted) {
        // Position t predicts token t + 1; the last position predicts nothing.
        const following = tf.slice(targets, [0, 1], [batch, length - 1]);
        targets = tf.concat([following, tf.fill([batch, 1], ignoreIndex, 'int32')], 1) as tf.Tensor2D;
      }
      const flat = tf.reshape(targets, [batch * length]) as tf.Tensor1D;
      if (recompute) {
        // Memory matters: the logits of all positions never exist together.
        const table = this.variables.get(
          this.config.tieEmbeddings ? 'transformer.wte.weight' : 'lm_head.weight',
        );
        const hidden = tf.reshape(lastHiddenState, [batch * length, nEmbd]) as tf.Tensor2D;
        return linearCrossEntropy(hidden, table!, flat, { ignoreIndex, zero: recompute });
      }
      return softmaxCrossEntropy(tf.reshape(logits!, [batch * length, this.config.vocabSize]), flat, {
        ignoreIndex,
      }) as tf.Scalar;
    });
  }

  /**
   * Continues a prompt, or a batch of prompts (an array of texts or of token-id lists).
   *
   * @throws {InvalidArgumentError} an option out of range, or an unknown one
   * @throws {ContextLengthError} a prompt longer than the context
   */
  generate(prompt: Prompt, options?: GenerateOptions): Promise<GenerateResult>;
  generate(prompts: readonly Prompt[], options?: GenerateOptions): Promise<GenerateResult[]>;
  async generate(
    prompts: Prompt | readonly Prompt[],
    options: GenerateOptions = {},
  ): Promise<GenerateResult | GenerateResult[]> {
    this.#assertLive();
    if (isPrompt(prompts)) return (await generateBatch(this, [prompts], options))[0]!;
    return generateBatch(this, prompts, options);
  }

  /** The same, token by token. Leave the loop, or abort `options.signal`, to end it. */
  stream(
    prompts: Prompt | readonly Prompt[],
    options: GenerateOptions = {},
  ): AsyncGenerator<StreamEvent, void, undefined> {
    this.#assertLive();
    return generateStream(this, isPrompt(prompts) ? [prompts] : prompts, options);
  }

  /**
   * Log-likelihoods of completions: `completions[i]` given `prompts[i]`. One prompt may have several completions
   * (`completions[i]` is then a list of texts or of id lists), and the result has the same nesting.
   */
  score(
    prompts: readonly Prompt[],
    completions: readonly Prompt[],
    options?: ScoreOptions,
  ): Promise<CompletionScore[]>;
  score(
    prompts: readonly Prompt[],
    completions: readonly (readonly Prompt[])[],
    options?: ScoreOptions,
  ): Promise<CompletionScore[][]>;
  async score(
    prompts: readonly Prompt[],
    completions: readonly (Prompt | readonly Prompt[])[],
    options: ScoreOptions = {},
  ): Promise<CompletionScore[] | CompletionScore[][]> {
    this.#assertLive();
    if (prompts.length !== completions.length) {
      throw new InvalidArgumentError(
        'completions',
        `${completions.length} entries`,
        `give one entry for each of the ${prompts.length} prompts`,
      );
    }
    const nested = completions.some((entry) => !isPrompt(entry));
    const lists = completions.map((entry) => (isPrompt(entry) ? [entry] : entry));
    const requests = lists.flatMap((list, i) => list.map((entry) => encodePair(this, prompts[i]!, entry)));
    const scores = await scoreRequests(this, requests, prefixTokenOf(this), options);
    if (!nested) return scores;
    const remaining = scores.values();
    return lists.map((list) => list.map(() => remaining.next().value!));
  }

  /** Log-likelihood of a text of any length; see `RollingOptions`. */
  rollingLogLikelihood(text: Prompt, options: RollingOptions = {}): Promise<CompletionScore> {
    this.#assertLive();
    const tokenIds = typeof text === 'string' ? this.encode(text) : text;
    return rollingLogLikelihood(this, tokenIds, prefixTokenOf(this), options);
  }

  /** A vector `[nEmbd]` for each text. */
  embed(texts: readonly Prompt[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    this.#assertLive();
    return embed(this, texts, options);
  }

  /**
   * Hidden states through the output matrix.
   *
   * @param hidden `[rows, nEmbd]` @returns `[rows, vocabSize]`
   */
  head(hidden: tf.Tensor2D): tf.Tensor2D {
    this.#assertLive();
    const name = this.config.tieEmbeddings ? 'transformer.wte.weight' : 'lm_head.weight';
    const table = this.variables.get(name) as tf.Variable<tf.Rank.R2>;
    return linear(hidden, table, null, { transposeWeight: true }) as tf.Tensor2D;
  }

  /** Ids of a prompt given as text. @throws {TokenizationError} the model has no tokenizer */
  encode(text: string, options?: EncodeTextOptions): number[] {
    return this.#tokenizerOrThrow().encode(text, options);
  }

  decode(tokenIds: readonly number[]): string {
    return this.#tokenizerOrThrow().decode(tokenIds);
  }

  /** Compiled decoding steps; made when generation first needs them. */
  get decodePrograms(): DecodePrograms {
    this.#assertLive();
    this.#programs ??= new DecodePrograms(this);
    return this.#programs;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#programs?.dispose();
    for (const variable of this.variables.values()) variable.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #run(
    tokenIds: TokenIds | undefined,
    options: ForwardOptions,
    logits: 'all' | 'last' | 'none',
    maps: tf.Tensor4D[] | undefined,
  ) {
    const { config } = this;
    const { softTokens, training = false, seed = 0 } = options;
    let { embeddings } = options;
    if (tokenIds === undefined && embeddings === undefined) {
      throw new InvalidArgumentError('tokenIds', tokenIds, 'give token ids or embeddings');
    }
    const known = config.vocabSize + (softTokens?.shape[0] ?? 0);
    const ids = tokenIds === undefined ? undefined : asTensor(tokenIds, 'tokenIds', undefined, known);
    if (softTokens && ids && !embeddings) {
      const table = this.variables.get('transformer.wte.weight') as tf.Variable<tf.Rank.R2>;
      embeddings = mixedEmbeddings(table, softTokens, ids);
    }
    const [batch, length] = (embeddings?.shape ?? ids!.shape) as [number, number];
    if (length > config.contextLength) {
      throw new ContextLengthError(length, config.contextLength, 'shorten the sequence');
    }
    if (length === 0) throw new InvalidArgumentError('tokenIds', [batch, length], 'needs at least one token');
    const { from = 0 } = options;
    if (!Number.isInteger(from) || from < 0 || from >= length) {
      throw new InvalidArgumentError('from', from, `give a position of the sequence, 0 to ${length - 1}`);
    }
    if (from > 0 && (options.cache || options.memory || options.segmentIds)) {
      throw new InvalidArgumentError('from', from, 'leave it out with a cache, memory or segments');
    }
    const mask = options.attentionMask && asTensor(options.attentionMask, 'attentionMask', [batch, length]);
    const segments = options.segmentIds && asTensor(options.segmentIds, 'segmentIds', [batch, length]);
    const positionIds = options.positionIds
      ? asTensor(options.positionIds, 'positionIds', [batch, length])
      : defaultPositions(length, options.cache?.length ?? 0, mask);
    return forward({
      ...this.#pass(training, seed, logits),
      ...(ids ? { tokenIds: ids } : {}),
      ...(embeddings ? { embeddings } : {}),
      positionIds,
      memory: options.memory,
      attention: { keyMask: mask, segmentIds: segments, cache: options.cache, maps },
      recompute: options.recompute,
      from,
    });
  }

  /**
   * One pass of new tokens over keys and values that the caller keeps: a pure function of its arguments and the
   * weights, for `capture`.
   *
   * @param tokenIds `[batch, length]` int32
   * @param wanted `[wanted]` int32, rows of batch · length; the last block's feed-forward layer sees those alone
   * @returns hidden states `[batch, length, nEmbd]`, or `[1, wanted, nEmbd]`; the cache receives the new keys and values
   */
  forwardExternal(tokenIds: tf.Tensor2D, cache: ExternalCache, wanted?: tf.Tensor1D): tf.Tensor3D {
    this.#assertLive();
    const { positionIds } = cache;
    return forward({
      ...this.#pass(false, 0, 'none'),
      tokenIds,
      positionIds,
      attention: { external: cache },
      wanted,
    }).lastHiddenState;
  }

  #pass(training: boolean, seed: number | tf.Tensor, logits: 'all' | 'last' | 'none') {
    const { config, variables: parameters, adapters } = this;
    return { config, parameters, adapters, training, seed, logits };
  }

  #tokenizerOrThrow(): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw new TokenizationError(
      undefined,
      'The model has no tokenizer: give token ids, or set model.tokenizer.',
    );
  }

  #assertLive(): void {
    if (this.#disposed) throw new DisposedError('The model');
  }
}

/** 0, 1, 2, …; with padding on the left, each row starts to count at its first token. */
function defaultPositions(length: number, first: number, mask: tf.Tensor2D | undefined): tf.Tensor2D {
  if (!mask) return tf.reshape(tf.range(first, first + length, 1, 'int32'), [1, length]);
  const counted = tf.sub(tf.cumsum(tf.cast(mask, 'float32'), 1), 1);
  return tf.cast(tf.maximum(counted, 0), 'int32') as tf.Tensor2D;
}

function asTensor(
  input: TokenIds,
  argument: string,
  shape?: readonly [number, number],
  below?: number,
): tf.Tensor2D {
  let tensor: tf.Tensor2D;
  if (input instanceof tf.Tensor) {
    tensor = input.dtype === 'int32' ? input : (tf.cast(input, 'int32') as tf.Tensor2D);
  } else {
    const rows = input as readonly (readonly number[])[];
    const length = rows[0]?.length ?? 0;
    const flat = new Int32Array(rows.length * length);
    rows.forEach((row, at) => {
      if (row.length !== length) {
        throw new InvalidArgumentError(
          argument,
          rows,
          `row ${at} has ${row.length} entries, row 0 has ${length}`,
        );
      }
      row.forEach((value, column) => {
        if (!Number.isInteger(value) || (below !== undefined && (value < 0 || value >= below))) {
          const range = below === undefined ? 'whole numbers' : `ids from 0 to ${below - 1}`;
          throw new InvalidArgumentError(`${argument}[${at}][${column}]`, value, `expected ${range}`);
        }
        flat[at * length + column] = value;
      });
    });
    tensor = tf.tensor2d(flat, [rows.length, length], 'int32');
  }
  if (tensor.rank !== 2 || (shape && (tensor.shape[0] !== shape[0] || tensor.shape[1] !== shape[1]))) {
    const expected = shape ? `[${shape.join(', ')}]` : '[batch, length]';
    throw new InvalidArgumentError(argument, tensor.shape, `expected shape ${expected}`);
  }
  return tensor;
}

function checkVocabulary(config: GPTConfig, tokenizer: Tokenizer | undefined): void {
  if (tokenizer && tokenizer.vocabSize > config.vocabSize) {
    throw new InvalidArgumentError(
      'tokenizer.vocabSize',
      tokenizer.vocabSize,
      `the model has ${config.vocabSize} token embeddings; set vocabSize to at least the tokenizer's`,
    );
  }
}

async function readTokenizer(reader: CheckpointReader): Promise<Tokenizer | undefined> {
  const text = await reader.readText('tokenizer.json');
  if (text !== undefined) return tokenizerFromJSON(parseJson(text, `${reader.path}/tokenizer.json`));
  const [vocab, merges] = [await reader.readText('vocab.json'), await reader.readText('merges.txt')];
  if (vocab === undefined || merges === undefined) return undefined;
  return tokenizerFromVocabulary(parseJson(vocab, `${reader.path}/vocab.json`), merges);
}

async function openWeights(reader: CheckpointReader) {
  try {
    const weights = await reader.openWeights();
    if (weights) return weights;
  } catch (error) {
    throw new CheckpointError(reader.path, (error as Error).message, { cause: error });
  }
  throw new CheckpointError(reader.path, 'has no model.safetensors');
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(path, `is not JSON (${(cause as Error).message})`, { cause });
  }
}

async function openDirectory(path: string): Promise<CheckpointReader> {
  const { directoryReader } = await import('../checkpoint/directory.node.js');
  return directoryReader(path);
}

async function createDirectory(path: string): Promise<CheckpointWriter> {
  const { directoryWriter } = await import('../checkpoint/directory.node.js');
  return directoryWriter(path);
}

/** One prompt, not a batch: a text, or a list of numbers (an empty list is an empty prompt). */
function isPrompt(prompts: Prompt | readonly Prompt[]): prompts is Prompt {
  return typeof prompts === 'string' || prompts.every((entry) => typeof entry === 'number');
}
