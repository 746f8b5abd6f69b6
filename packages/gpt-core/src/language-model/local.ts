import { TokenizationError } from '../errors.js';
import { generateBatch } from '../generation/generate.js';
import type { GPT } from '../model/gpt.js';
import { scoreRequests } from '../scoring/score.js';
import type {
  Completion,
  CompletionOptions,
  CompletionScore,
  LanguageModel,
  ScoreRequest,
} from './language-model.js';

export interface LocalLanguageModelOptions {
  /** For reports. Default `gpt`. */
  readonly name?: string;
  /** Tokens of one scoring batch. Default 4096. */
  readonly batchTokens?: number;
}

/**
 * A `GPT` as evaluation and alignment see it. The model stays its owner's.
 *
 * @throws {TokenizationError} the model has no tokenizer
 */
export function localLanguageModel(model: GPT, options: LocalLanguageModelOptions = {}): LanguageModel {
  const { tokenizer } = model;
  if (!tokenizer)
    throw new TokenizationError(undefined, 'A language model needs a tokenizer: set model.tokenizer.');
  const { name = 'gpt', batchTokens } = options;
  const { contextLength } = model.config;
  const prefixTokenId = prefixTokenOf(model);
  return {
    name,
    contextLength,
    fingerprint: tokenizer.fingerprint,
    prefixTokenId,
    encode: async (text) => tokenizer.encode(text),
    decode: async (tokenIds) => tokenizer.decode(tokenIds),
    score: (requests: readonly ScoreRequest[], { signal } = {}): Promise<CompletionScore[]> =>
      scoreRequests(model, requests, prefixTokenId, {
        ...(batchTokens === undefined ? {} : { batchTokens }),
        ...(signal ? { signal } : {}),
      }),
    complete: async (prompts, completionOptions: CompletionOptions = {}): Promise<Completion[][]> => {
      const { maxTokens = 16, ...rest } = completionOptions;
      const results = await generateBatch(model, prompts, { maxTokens, truncatePrompt: true, ...rest });
      completionOptions.signal?.throwIfAborted();
      return results.map(({ choices }) =>
        choices.map(({ text, tokenIds, logProbs, finishReason }) => ({
          text,
          tokenIds,
          logProbs,
          finishReason: finishReason === 'abort' ? 'stop' : finishReason,
        })),
      );
    },
  };
}

/** The token that stands before a text without context: end-of-text, else a start token, else a line break, else 0. */
export function prefixTokenOf(model: GPT): number {
  const { eosTokenId, bosTokenId } = model.config;
  const declared = eosTokenId ?? model.tokenizer?.eosTokenId ?? bosTokenId;
  if (declared !== null && declared !== undefined) return declared;
  try {
    return model.tokenizer?.encode('\n')[0] ?? 0;
  } catch {
    return 0;
  }
}
