import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import { InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import type { WeightStorage } from './decode-programs.js';
import type { JsonSchema } from './json-schema.js';
import type { LogitsProcessor, StoppingCriterion } from './logits-processor.js';
import {
  badWords,
  logitBias,
  minTokens,
  noRepeatNgram,
  occurrencePenalties,
  repetitionPenalty,
} from './penalties.js';
import { epsilonCutoff, minP, temperature, topK, topP, typicalP } from './truncation.js';

export interface GenerateOptions {
  /** Most tokens to generate. Default 64. */
  readonly maxTokens?: number;
  /** The same under the name that transformers uses. */
  readonly maxNewTokens?: number;
  /** No end token before this many. Default 0. */
  readonly minTokens?: number;
  /** 0 is greedy search. Default 1. */
  readonly temperature?: number;
  /** Sample from the `k` best tokens; 0 is off. Default 0. */
  readonly topK?: number;
  /** Sample from the most likely tokens that hold this mass. Default 1: off. */
  readonly topP?: number;
  /** Drop tokens less likely than this share of the best one. Default 0: off. */
  readonly minP?: number;
  /** Locally typical sampling with this mass. Default 1: off. */
  readonly typicalP?: number;
  /** Drop tokens less likely than this. Default 0: off. */
  readonly epsilonCutoff?: number;
  /** Above 1: tokens of prompt and text become less likely. Default 1: off. */
  readonly repetitionPenalty?: number;
  /** Subtracted once from tokens that were generated. Default 0. */
  readonly presencePenalty?: number;
  /** Subtracted for each time a token was generated. Default 0. */
  readonly frequencyPenalty?: number;
  /** No n-gram of this size twice. Default 0: off. */
  readonly noRepeatNgramSize?: number;
  /** Token sequences that must not occur. */
  readonly badWords?: readonly (readonly number[])[];
  /** Added to the scores of tokens, by id. */
  readonly logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number>;
  /** Texts that end the generation; they are not part of the result. */
  readonly stop?: string | readonly string[];
  /** Tokens that end a sequence. Default: the configuration's, then the tokenizer's. `[]`: none. */
  readonly eosTokenIds?: readonly number[];
  /** Of the sampling; sample `i` of a prompt uses its own stream. Default 0. */
  readonly seed?: number;
  /**
   * One seed per prompt, in place of `seed`: prompts of one batch are then sampled independently. With one `seed`
   * each prompt is sampled as if it were alone, so equal prompts give equal texts.
   */
  readonly seeds?: readonly number[];
  /** Samples for each prompt, from one prefill. Default 1. */
  readonly n?: number;
  /** Generate this many samples and keep the `n` with the best mean log-probability. Default `n`. */
  readonly bestOf?: number;
  /** Beam search with this many beams, in place of sampling. Default 1: off. */
  readonly numBeams?: number;
  /** Beam scores are divided by length to this power. Default 1. */
  readonly lengthPenalty?: number;
  /** Beam search ends as soon as `numBeams` sequences are finished. Default `false`. */
  readonly earlyStopping?: boolean;
  /** Report this many alternatives for every token; 0: only its own log-probability. Default: none. */
  readonly logprobs?: number;
  /** Report log-probabilities of the prompt's tokens as well. Default `false`. */
  readonly promptLogprobs?: boolean;
  /** The text is JSON that this schema accepts (see the README for the keywords). */
  readonly jsonSchema?: JsonSchema;
  readonly logitsProcessors?: readonly LogitsProcessor[];
  readonly stoppingCriteria?: readonly StoppingCriterion[];
  /**
   * When the context is full: `slide` forgets its older half and goes on, `stop` ends with `finishReason: 'length'`.
   * Default `slide`.
   */
  readonly contextOverflow?: 'slide' | 'stop';
  /** Drop the beginning of a prompt that does not fit, in place of an error. Default `false`. */
  readonly truncatePrompt?: boolean;
  /**
   * How weights are stored while decoding. `int8` and `int4` are faster where memory bandwidth is the limit, and not
   * exact; they need ONNX Runtime. `live` is exact and for models in training: nothing is packed anew when weights have
   * changed. Default `float32`.
   */
  readonly weights?: WeightStorage;
  /**
   * A smaller model of the same vocabulary that guesses ahead, or `lookup`: what followed the last two tokens before.
   * The text does not change, only the time. For one sample of one prompt.
   */
  readonly draft?: GPT | 'lookup';
  /** Tokens guessed at a time. Default 4. */
  readonly draftTokens?: number;
  /**
   * `[count, nEmbd]`: embeddings that ids of the prompt from `vocabSize` on stand for: image tokens, soft prompts. They
   * stay the caller's.
   */
  readonly softTokens?: Tensor2D;
  /** Ends generation; sequences so far are returned with `finishReason: 'abort'`. */
  readonly signal?: AbortSignal;
}

/** Options with their defaults, checked. */
export interface ResolvedOptions {
  readonly maxTokens: number;
  readonly greedy: boolean;
  readonly processors: readonly LogitsProcessor[];
  readonly stop: readonly string[];
  readonly eosTokenIds: readonly number[];
  readonly seed: number;
  readonly seeds: readonly number[] | undefined;
  readonly n: number;
  readonly bestOf: number;
  readonly numBeams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean;
  readonly logprobs: number | undefined;
  readonly promptLogprobs: boolean;
  readonly jsonSchema: JsonSchema | undefined;
  readonly stoppingCriteria: readonly StoppingCriterion[];
  readonly contextOverflow: 'slide' | 'stop';
  readonly truncatePrompt: boolean;
  readonly weights: WeightStorage;
  readonly draft: GPT | 'lookup' | undefined;
  readonly draftTokens: number;
  readonly softTokens: Tensor2D | undefined;
  readonly signal: AbortSignal | undefined;
}

const known: Readonly<Record<keyof GenerateOptions, true>> = {
  maxTokens: true,
  maxNewTokens: true,
  minTokens: true,
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  typicalP: true,
  epsilonCutoff: true,
  repetitionPenalty: true,
  presencePenalty: true,
  frequencyPenalty: true,
  noRepeatNgramSize: true,
  badWords: true,
  logitBias: true,
  stop: true,
  eosTokenIds: true,
  seed: true,
  seeds: true,
  n: true,
  bestOf: true,
  numBeams: true,
  lengthPenalty: true,
  earlyStopping: true,
  logprobs: true,
  promptLogprobs: true,
  jsonSchema: true,
  logitsProcessors: true,
  stoppingCriteria: true,
  contextOverflow: true,
  truncatePrompt: true,
  weights: true,
  draft: true,
  draftTokens: true,
  softTokens: true,
  signal: true,
};

/** @throws {InvalidArgumentError} an unknown option, or one out of range */
export function resolveOptions(
  options: GenerateOptions,
  config: GPTConfig,
  tokenizerEos: number | null,
): ResolvedOptions {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(known, name)) {
      const value = options[name as keyof GenerateOptions];
      throw new InvalidArgumentError(
        name,
        value,
        `no such option; known are ${Object.keys(known).join(', ')}`,
      );
    }
  }
  const whole = (name: keyof GenerateOptions, fallback: number, least: number): number => {
    const value = options[name] ?? fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(name, value, `must be a whole number of at least ${least}`);
  };
  const { stop = [], contextOverflow = 'slide', earlyStopping = false, lengthPenalty = 1 } = options;
  const maxTokens =
    options.maxTokens !== undefined ? whole('maxTokens', 64, 0) : whole('maxNewTokens', 64, 0);
  const n = whole('n', 1, 1);
  const bestOf = whole('bestOf', n, 1);
  if (bestOf < n) throw new InvalidArgumentError('bestOf', bestOf, `must be at least n (${n})`);
  const numBeams = whole('numBeams', 1, 1);
  if (numBeams > 1 && n > numBeams)
    throw new InvalidArgumentError('n', n, `must be at most numBeams (${numBeams})`);
  if (contextOverflow !== 'slide' && contextOverflow !== 'stop') {
    throw new InvalidArgumentError('contextOverflow', contextOverflow, 'must be "slide" or "stop"');
  }
  const heat = options.temperature ?? 1;
  if (!(heat >= 0 && Number.isFinite(heat))) {
    throw new InvalidArgumentError('temperature', heat, 'must be 0 (greedy) or more');
  }
  const fallbackEos = config.eosTokenId ?? tokenizerEos;
  const eosTokenIds = options.eosTokenIds ?? (fallbackEos === null ? [] : [fallbackEos]);
  const outside = eosTokenIds.find((id) => !Number.isInteger(id) || id < 0 || id >= config.vocabSize);
  if (outside !== undefined) {
    throw new InvalidArgumentError('eosTokenIds', outside, `ids end at ${config.vocabSize - 1}`);
  }
  return {
    maxTokens,
    greedy: heat === 0 || options.topK === 1,
    processors: processorsOf(options, heat, eosTokenIds, whole),
    stop: typeof stop === 'string' ? [stop] : stop,
    eosTokenIds,
    seed: whole('seed', 0, Number.MIN_SAFE_INTEGER),
    seeds: options.seeds,
    n,
    bestOf,
    numBeams,
    lengthPenalty,
    earlyStopping,
    logprobs: options.logprobs === undefined ? undefined : whole('logprobs', 0, 0),
    promptLogprobs: options.promptLogprobs ?? false,
    jsonSchema: options.jsonSchema,
    stoppingCriteria: options.stoppingCriteria ?? [],
    contextOverflow,
    truncatePrompt: options.truncatePrompt ?? false,
    weights: storageOf(options.weights),
    draft: options.draft,
    draftTokens: whole('draftTokens', 4, 1),
    softTokens: options.softTokens,
    signal: options.signal,
  };
}

function storageOf(weights: WeightStorage = 'float32'): WeightStorage {
  if (['float32', 'float16', 'int8', 'int4', 'live'].includes(weights)) return weights;
  throw new InvalidArgumentError(
    'weights',
    weights,
    'must be "float32", "float16", "int8", "int4" or "live"',
  );
}

/** In the order in which transformers applies them: penalties and bans first, then what shapes the distribution. */
function processorsOf(
  options: GenerateOptions,
  heat: number,
  eosTokenIds: readonly number[],
  whole: (name: keyof GenerateOptions, fallback: number, least: number) => number,
): LogitsProcessor[] {
  const { presencePenalty = 0, frequencyPenalty = 0 } = options;
  const processors: LogitsProcessor[] = [];
  if (options.logitBias) processors.push(logitBias(options.logitBias));
  if ((options.repetitionPenalty ?? 1) !== 1) processors.push(repetitionPenalty(options.repetitionPenalty!));
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    processors.push(occurrencePenalties(presencePenalty, frequencyPenalty));
  }
  if (whole('noRepeatNgramSize', 0, 0) > 0) processors.push(noRepeatNgram(options.noRepeatNgramSize!));
  if (options.badWords) processors.push(badWords(options.badWords));
  if (whole('minTokens', 0, 0) > 0) processors.push(minTokens(options.minTokens!, eosTokenIds));
  processors.push(...(options.logitsProcessors ?? []));
  if (heat > 0 && heat !== 1) processors.push(temperature(heat));
  if (whole('topK', 0, 0) > 0) processors.push(topK(options.topK!));
  if ((options.topP ?? 1) !== 1) processors.push(topP(options.topP!));
  if ((options.minP ?? 0) !== 0) processors.push(minP(options.minP!));
  if ((options.typicalP ?? 1) !== 1) processors.push(typicalP(options.typicalP!));
  if ((options.epsilonCutoff ?? 0) !== 0) processors.push(epsilonCutoff(options.epsilonCutoff!));
  return processors;
}
