import type { CompletionScore, LanguageModel, ScoreRequest } from '@gpt-lineage/gpt-core';
import { ResultCache } from './result-cache.js';

export interface GenerationRequest {
  readonly prompt: string;
  readonly stop: readonly string[];
  readonly maxTokens: number;
  readonly temperature: number;
  readonly n: number;
  readonly seed: number;
}

export interface RunnerOptions {
  readonly cache: ResultCache;
  /** Tokens of one batch of requests, default 16,384. */
  readonly batchTokens?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

type StoredScore = Pick<CompletionScore, 'logLikelihood' | 'isGreedy'>;

/**
 * Sends requests to a model: each distinct one once, answers from the cache where they are there, long ones first (so
 * that memory runs out at the start or never), those with a common prompt side by side, results in the order asked.
 */
export class RequestRunner {
  readonly #model: LanguageModel;
  readonly #options: RunnerOptions;

  constructor(model: LanguageModel, options: RunnerOptions) {
    this.#model = model;
    this.#options = options;
  }

  async score(requests: readonly ScoreRequest[]): Promise<StoredScore[]> {
    const { name, fingerprint } = this.#model;
    const keys = requests.map((request) =>
      ResultCache.key('score', name, fingerprint, request.promptTokenIds, request.completionTokenIds),
    );
    await this.#run(
      keys,
      (index) => requests[index]!,
      (request) => request.promptTokenIds.length + request.completionTokenIds.length,
      (request) => request.promptTokenIds.join(),
      async (batch) => {
        const scores = await this.#model.score(batch, this.#abort());
        return scores.map(({ logLikelihood, isGreedy }): StoredScore => ({ logLikelihood, isGreedy }));
      },
    );
    return keys.map((key) => this.#options.cache.get<StoredScore>(key)!);
  }

  async generate(requests: readonly GenerationRequest[]): Promise<string[][]> {
    const { name, fingerprint } = this.#model;
    const keys = requests.map((request) => ResultCache.key('generate', name, fingerprint, request));
    // One call takes one set of options; requests that share theirs go together.
    const groups = groupBy(requests.keys(), (index) => optionsKey(requests[index]!));
    for (const indices of groups.values()) {
      await this.#run(
        indices.map((index) => keys[index]!),
        (position) => requests[indices[position]!]!,
        (request) => Math.ceil(request.prompt.length / 3) + request.maxTokens,
        (request) => request.prompt,
        async (batch) => {
          const { stop, maxTokens, temperature, n, seed } = batch[0]!;
          const prompts = await Promise.all(batch.map((request) => this.#fit(request.prompt, maxTokens)));
          const completions = await this.#model.complete(prompts, {
            stop,
            maxTokens,
            temperature,
            n,
            seed,
            ...this.#abort(),
          });
          return completions.map((list) => list.map((completion) => completion.text));
        },
      );
    }
    return keys.map((key) => this.#options.cache.get<string[]>(key)!);
  }

  /** Leaves room for the completion: a prompt that is too long loses its beginning. */
  async #fit(prompt: string, maxTokens: number): Promise<string | number[]> {
    const room = Math.max(1, this.#model.contextLength - maxTokens);
    const tokenIds = await this.#model.encode(prompt);
    return tokenIds.length > room ? tokenIds.slice(-room) : prompt;
  }

  #abort(): { signal?: AbortSignal } {
    return this.#options.signal ? { signal: this.#options.signal } : {};
  }

  async #run<Request>(
    keys: readonly string[],
    request: (index: number) => Request,
    length: (request: Request) => number,
    prefix: (request: Request) => string,
    send: (batch: Request[]) => Promise<unknown[]>,
  ): Promise<void> {
    const { cache, batchTokens = 16_384, signal, onProgress } = this.#options;
    const missing = new Map<string, Request>();
    keys.forEach((key, index) => {
      if (cache.get(key) === undefined) missing.set(key, request(index));
    });
    // Longest prompt group first; within a group the prompts stay together.
    const queue = [...missing].map(([key, value]) => ({
      key,
      value,
      size: length(value),
      prefix: prefix(value),
    }));
    const largest = new Map<string, number>();
    for (const entry of queue)
      largest.set(entry.prefix, Math.max(entry.size, largest.get(entry.prefix) ?? 0));
    queue.sort(
      (a, b) =>
        largest.get(b.prefix)! - largest.get(a.prefix)! ||
        (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0) ||
        b.size - a.size,
    );
    let done = keys.length - missing.size;
    onProgress?.(done, keys.length);
    for (let start = 0; start < queue.length; ) {
      signal?.throwIfAborted();
      let end = start;
      let tokens = 0;
      do {
        tokens += queue[end]!.size;
        end += 1;
      } while (end < queue.length && tokens + queue[end]!.size <= batchTokens);
      const batch = queue.slice(start, end);
      const results = await send(batch.map((entry) => entry.value));
      await cache.add(batch.map((entry, index) => [entry.key, results[index]] as const));
      start = end;
      done += batch.length;
      onProgress?.(Math.min(done, keys.length), keys.length);
    }
  }
}

const optionsKey = ({ prompt: _, ...options }: GenerationRequest) => JSON.stringify(options);

/** `Map.groupBy`, which Node 20 lacks. */
function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
