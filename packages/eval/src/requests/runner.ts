import type { LanguageModel, ScoreRequest } from '@gpt-lineage/gpt-core';
import {
  type BatchAnswer,
  type BatchExecutor,
  type GenerationSettings,
  modelExecutor,
  type RequestBatch,
  type StoredScore,
} from './executor.js';
import { type Planned, planBatches } from './plan.js';
import { ResultCache } from './result-cache.js';

export interface GenerationRequest extends GenerationSettings {
  readonly prompt: string;
}

export interface Generated {
  readonly texts: readonly string[];
  /** The prompt lost its beginning to fit the context. */
  readonly truncated: boolean;
}

export interface RunnerOptions {
  readonly cache: ResultCache;
  /** What tells apart models of the same name and tokenizer. */
  readonly modelIdentity?: string | undefined;
  /** Tokens of one batch of requests, default 16,384. */
  readonly batchTokens?: number | undefined;
  /** Default: the model, one batch at a time. */
  readonly executor?: BatchExecutor | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Sends requests to a model: each distinct one once, answers from the cache where they are there, those with a common
 * beginning together, long ones first, results in the order asked.
 */
export class RequestRunner {
  readonly #model: LanguageModel;
  readonly #options: RunnerOptions;
  readonly #executor: BatchExecutor;

  constructor(model: LanguageModel, options: RunnerOptions) {
    this.#model = model;
    this.#options = options;
    this.#executor = options.executor ?? modelExecutor(model);
  }

  async score(requests: readonly ScoreRequest[]): Promise<StoredScore[]> {
    const keys = requests.map(({ promptTokenIds, completionTokenIds }) =>
      this.#key('score', promptTokenIds, completionTokenIds),
    );
    const planned = requests.map(
      (request, index): Planned<ScoreRequest> => ({
        key: keys[index]!,
        request,
        tokenIds: [...request.promptTokenIds, ...request.completionTokenIds],
        extra: 0,
      }),
    );
    await this.#run(planned, (batch) => ({ kind: 'score', requests: batch }));
    return keys.map((key) => this.#options.cache.get<StoredScore>(key)!);
  }

  async generate(requests: readonly GenerationRequest[]): Promise<Generated[]> {
    const planned: Planned<{
      prompt: string | number[];
      settings: GenerationSettings;
      truncated: boolean;
    }>[] = [];
    for (const { prompt, ...settings } of requests) {
      const tokenIds = await this.#model.encode(prompt);
      // Leaves room for the completion: a prompt that is too long loses its beginning.
      const room = Math.max(1, this.#model.contextLength - settings.maxTokens);
      const truncated = tokenIds.length > room;
      planned.push({
        key: this.#key('generate', { prompt, ...settings }),
        request: { prompt: truncated ? tokenIds.slice(-room) : prompt, settings, truncated },
        tokenIds: truncated ? tokenIds.slice(-room) : tokenIds,
        extra: settings.maxTokens * settings.n,
      });
    }
    // One call takes one set of options; requests that share theirs go together.
    const groups = new Map<string, typeof planned>();
    for (const entry of planned) {
      const options = JSON.stringify(entry.request.settings);
      const group = groups.get(options);
      if (group) group.push(entry);
      else groups.set(options, [entry]);
    }
    for (const group of groups.values()) {
      const { settings } = group[0]!.request;
      await this.#run(group, (batch) => ({
        kind: 'generate',
        prompts: batch.map(({ prompt }) => prompt),
        settings,
      }));
    }
    return planned.map(({ key, request }) => ({
      texts: this.#options.cache.get<string[]>(key)!,
      truncated: request.truncated,
    }));
  }

  #key(kind: string, ...parts: readonly unknown[]): string {
    const { name, fingerprint } = this.#model;
    return ResultCache.key(kind, name, fingerprint, this.#options.modelIdentity ?? '', ...parts);
  }

  async #run<Request>(
    planned: readonly Planned<Request>[],
    pack: (requests: Request[]) => RequestBatch,
  ): Promise<void> {
    const { cache, batchTokens = 16_384, signal, onProgress } = this.#options;
    const distinct = new Map(planned.map((entry) => [entry.key, entry]));
    const copies = new Map<string, number>();
    for (const { key } of planned) copies.set(key, (copies.get(key) ?? 0) + 1);
    const count = (batch: readonly Planned<Request>[]) =>
      batch.reduce((sum, { key }) => sum + copies.get(key)!, 0);
    // The plan is made from all requests and not from the missing ones, so that a resumed run keeps its batches.
    const queue = planBatches([...distinct.values()], batchTokens)
      .map((batch) => batch.filter(({ key }) => !cache.has(key)))
      .filter((batch) => batch.length > 0);
    let done = planned.length - queue.reduce((sum, batch) => sum + count(batch), 0);
    onProgress?.(done, planned.length);
    await inParallel(queue, this.#executor.concurrency, async (batch) => {
      signal?.throwIfAborted();
      const answer: BatchAnswer = await this.#executor.run(pack(batch.map(({ request }) => request)), {
        signal,
      });
      await cache.add(
        batch.map(({ key }) => key),
        answer,
      );
      done += count(batch);
      onProgress?.(done, planned.length);
    });
  }
}

/** Runs `task` over the items, some at a time, in order; the first failure stops those that have not begun. */
async function inParallel<T>(
  items: readonly T[],
  concurrency: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const pending = items.values();
  let failed = false;
  const lane = async () => {
    for (const item of pending) {
      if (failed) return;
      try {
        await task(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.max(1, Math.min(concurrency, items.length)) }, lane);
  const outcomes = await Promise.allSettled(lanes);
  const rejected = outcomes.find((outcome) => outcome.status === 'rejected');
  if (rejected) throw rejected.reason;
}
