import { InvalidArgumentError } from '../errors.js';
import type { CompletionScore, ScoreRequest } from '../language-model/language-model.js';
import type { GPT } from '../model/gpt.js';
import { type ScoreOptions, scoreRequests } from './score.js';

export interface RollingOptions extends ScoreOptions {
  /**
   * Tokens that each window after the first predicts; the rest of the window is context. Smaller is slower and gives
   * every token more context. Default: the whole window (disjoint windows that share one token).
   */
  readonly stride?: number;
}

/**
 * Log-likelihood of a text of any length, in windows of the context that predict every token exactly once. The first
 * token follows `prefixTokenId`. As lm-evaluation-harness' `loglikelihood_rolling`; with a `stride`, the sliding
 * window that GPT-2's perplexities are usually reported with.
 */
export async function rollingLogLikelihood(
  model: GPT,
  tokenIds: readonly number[],
  prefixTokenId: number,
  options: RollingOptions = {},
): Promise<CompletionScore> {
  const { contextLength } = model.config;
  const { stride = contextLength, ...scoreOptions } = options;
  if (!Number.isInteger(stride) || stride < 1 || stride > contextLength) {
    throw new InvalidArgumentError('stride', stride, `must be a whole number from 1 to ${contextLength}`);
  }
  const windows = rollingWindows(tokenIds, contextLength, prefixTokenId, stride);
  const scores = await scoreRequests(model, windows, prefixTokenId, scoreOptions);
  const tokenLogProbs = scores.flatMap((score) => [...score.tokenLogProbs]);
  return {
    tokenLogProbs,
    logLikelihood: tokenLogProbs.reduce((sum, value) => sum + value, 0),
    isGreedy: scores.every((score) => score.isGreedy),
  };
}

export function rollingWindows(
  tokenIds: readonly number[],
  contextLength: number,
  prefixTokenId: number,
  stride: number,
): ScoreRequest[] {
  const windows: ScoreRequest[] = [];
  for (let done = 0; done < tokenIds.length; ) {
    const end = Math.min(done + (done === 0 ? contextLength : stride), tokenIds.length);
    // The model reads `contextLength` tokens, the last of which it also has to predict from.
    const begin = end - contextLength - 1;
    const prompt = begin < 0 ? [prefixTokenId, ...tokenIds.slice(0, done)] : tokenIds.slice(begin, done);
    windows.push({ promptTokenIds: prompt, completionTokenIds: tokenIds.slice(done, end) });
    done = end;
  }
  return windows;
}
