import {
  type EngineResult,
  type GenerateOptions,
  type Prompt,
  QueueFullError,
  type StreamEvent,
} from '@gpt-lineage/gpt-core';
import { ApiError } from '../errors.js';
import type { ServedModel } from '../model-registry.js';

/** Prompts of one request, on their way through the engine. */
export interface Generation {
  readonly promptTokens: number;
  readonly results: Promise<EngineResult[]>;
  abort(): void;
}

/** Mean seconds of recent requests per model: what a refused client is told to wait. */
const meanSeconds = new WeakMap<object, number>();

/**
 * Hands all prompts to the model's engine, or none.
 *
 * @param onToken also told which of the prompts
 * @throws {ApiError} 429: the queue is full
 */
export function generate(
  { engine }: ServedModel,
  prompts: readonly Prompt[],
  options: GenerateOptions,
  limits: { readonly timeLimit: number },
  onToken?: (event: StreamEvent) => void,
): Generation {
  const started = performance.now();
  const jobs: ReturnType<typeof engine.submit>[] = [];
  const abort = () => {
    for (const job of jobs) job.abort();
  };
  try {
    for (const [prompt, text] of prompts.entries()) {
      jobs.push(engine.submit(text, options, onToken && ((event) => onToken({ ...event, prompt }))));
    }
  } catch (error) {
    abort();
    for (const { result } of jobs) result.catch(() => {});
    if (!(error instanceof QueueFullError)) throw error;
    const { waiting, slots } = engine.stats;
    const seconds = Math.ceil((meanSeconds.get(engine) ?? 1) * Math.max(1, waiting / slots));
    throw new ApiError(429, 'queue_full', `${error.message} The next try may come in ${seconds} s.`, {
      headers: { 'retry-after': String(Math.min(seconds, 120)) },
    });
  }
  const timer = setTimeout(abort, limits.timeLimit * 1000);
  const results = Promise.all(jobs.map(({ result }) => result)).finally(() => {
    clearTimeout(timer);
    const seconds = (performance.now() - started) / 1000;
    meanSeconds.set(engine, 0.9 * (meanSeconds.get(engine) ?? seconds) + 0.1 * seconds);
  });
  results.catch(abort);
  return { promptTokens: jobs.reduce((sum, job) => sum + job.promptTokenIds.length, 0), results, abort };
}

/** An answer that ran out of time ends like one that ran out of tokens. */
export function finishReason(reason: EngineResult['finishReason']): 'stop' | 'length' {
  return reason === 'length' || reason === 'abort' ? 'length' : 'stop';
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
}

export function usageOf(results: readonly EngineResult[]): Usage {
  const sum = (count: (result: EngineResult) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const prompt = sum(({ promptTokenIds }) => promptTokenIds.length);
  const completion = sum(({ choices }) => choices.reduce((all, { tokenIds }) => all + tokenIds.length, 0));
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(({ cachedTokens }) => cachedTokens) },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

/**
 * Refuses a text that is too long before it is tokenized: no token of ours is longer than 128 bytes.
 *
 * @throws {ApiError} 400
 */
export function checkLength(text: string, capacity: number, param: string): void {
  if (text.length <= capacity * 128) return;
  throw contextLengthError(`The text has ${text.length} characters`, capacity, param);
}

export function contextLengthError(what: string, capacity: number, param: string): ApiError {
  return new ApiError(
    400,
    'context_length_exceeded',
    `${what}, more than the model's context of ${capacity} tokens holds; shorten it.`,
    { param },
  );
}
