import type { CompletionScore, LanguageModel, ScoreRequest } from '@gpt-lineage/gpt-core';

/** What is kept of a score. */
export type StoredScore = Pick<CompletionScore, 'logLikelihood' | 'isGreedy'>;

/** How a batch of prompts is continued. */
export interface GenerationSettings {
  readonly stop: readonly string[];
  readonly maxTokens: number;
  readonly temperature: number;
  readonly n: number;
  readonly seed: number;
}

/** A batch on its way to a model; plain data. */
export type RequestBatch =
  | { readonly kind: 'score'; readonly requests: readonly ScoreRequest[] }
  | {
      readonly kind: 'generate';
      readonly prompts: readonly (string | readonly number[])[];
      readonly settings: GenerationSettings;
    };

/** Answers to a batch, in its order: scores, or the completions of each prompt. */
export type BatchAnswer = readonly StoredScore[] | readonly (readonly string[])[];

/** Where batches are answered: in this process, or by workers behind a queue. */
export interface BatchExecutor {
  /** Batches under way at a time. */
  readonly concurrency: number;
  run(batch: RequestBatch, options: { signal?: AbortSignal | undefined }): Promise<BatchAnswer>;
  close?(): Promise<void>;
}

/** Asks a model directly. */
export function modelExecutor(model: LanguageModel, concurrency = 1): BatchExecutor {
  return { concurrency, run: (batch, options) => answerBatch(model, batch, options.signal) };
}

export async function answerBatch(
  model: LanguageModel,
  batch: RequestBatch,
  signal: AbortSignal | undefined,
): Promise<BatchAnswer> {
  const abort = signal ? { signal } : {};
  if (batch.kind === 'score') {
    const scores = await model.score(batch.requests, abort);
    return scores.map(({ logLikelihood, isGreedy }): StoredScore => ({ logLikelihood, isGreedy }));
  }
  const completions = await model.complete(batch.prompts, { ...batch.settings, ...abort });
  return completions.map((list) => list.map((completion) => completion.text));
}
