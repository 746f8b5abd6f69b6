import type {
  EngineResult,
  GeneratedCompletion,
  GenerateOptions,
  MultimodalMessage,
  StreamEvent,
} from '@gpt-lineage/gpt-core';
import { ApiError } from '../errors.js';
import type { ServedModel } from '../model-registry.js';
import type { Generation } from './generation.js';

/** Requests with images that may wait, per model. They are answered one after the other. */
const mostWaiting = 16;
const queues = new WeakMap<object, { length: number; last: Promise<unknown> }>();

/**
 * Answers a dialogue with images. Image tokens are no words, so these requests do not share the batch of the others.
 *
 * @throws {ApiError} 429: too many wait
 * @throws {MultimodalInputError} an image that cannot be read
 */
export async function answerWithImages(
  { sees }: ServedModel,
  messages: readonly MultimodalMessage[],
  options: GenerateOptions,
  limits: {
    readonly timeLimit: number;
    readonly truncate: boolean;
    readonly onToken?: (event: StreamEvent) => void;
  },
): Promise<Generation> {
  const model = sees!;
  const queue = queues.get(model) ?? { length: 0, last: Promise.resolve() };
  queues.set(model, queue);
  if (queue.length >= mostWaiting) {
    throw new ApiError(429, 'queue_full', `${queue.length} requests with images wait already.`, {
      headers: { 'retry-after': '5' },
    });
  }
  queue.length += 1;
  let prompt: Awaited<ReturnType<typeof model.prepareChat>>;
  try {
    prompt = await model.prepareChat(messages, {
      reserve: Math.min(options.maxTokens ?? 64, Math.floor(model.config.contextLength / 4)),
      overflow: limits.truncate ? 'truncate' : 'error',
    });
  } catch (error) {
    queue.length -= 1;
    throw error;
  }
  const controller = new AbortController();
  const run = async (): Promise<EngineResult[]> => {
    const timer = setTimeout(() => controller.abort(), limits.timeLimit * 1000);
    const samples = Array.from({ length: options.n ?? 1 }, () => new Sample());
    try {
      for await (const event of model.stream(prompt, { ...options, signal: controller.signal })) {
        samples[event.choice]!.push(event);
        limits.onToken?.(event);
      }
    } finally {
      clearTimeout(timer);
      queue.length -= 1;
    }
    const choices = samples.map((sample) => sample.completion);
    const promptTokenIds = model.encode(prompt).tokenIds;
    return [{ ...choices[0]!, choices, promptTokenIds, cachedTokens: 0 }];
  };
  const results = queue.last.then(run);
  queue.last = results.catch(() => {});
  return { promptTokens: prompt.tokens.total, results, abort: () => controller.abort() };
}

/** A sample put together from its tokens. */
class Sample {
  #text = '';
  readonly #events: StreamEvent[] = [];

  push(event: StreamEvent): void {
    this.#text += event.text;
    this.#events.push(event);
  }

  get completion(): GeneratedCompletion {
    const logProbs = this.#events.map(({ logProb }) => logProb);
    const tops = this.#events.flatMap(({ topLogProbs }) => (topLogProbs ? [topLogProbs] : []));
    return {
      tokenIds: this.#events.map(({ tokenId }) => tokenId),
      text: this.#text,
      logProbs,
      meanLogProb: logProbs.reduce((sum, value) => sum + value, 0) / Math.max(1, logProbs.length),
      finishReason: this.#events.at(-1)?.finishReason ?? 'abort',
      ...(tops.length > 0 ? { topLogProbs: tops } : {}),
    };
  }
}
