import { InvalidArgumentError } from '../errors.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';
import { EndpointError, HttpClient, type HttpOptions } from './http-client.js';
import type {
  Completion,
  CompletionOptions,
  CompletionScore,
  LanguageModel,
  ScoreRequest,
} from './language-model.js';

export interface EndpointOptions extends HttpOptions {
  /** Up to and including the version: `http://localhost:8000/v1` */
  readonly baseUrl: string;
  /** The name the server knows the model by */
  readonly model: string;
  readonly apiKey?: string;
  /** The model's own tokenizer: scoring counts tokens, so another one gives wrong numbers. */
  readonly tokenizer: Tokenizer;
  /** Default 2048. */
  readonly contextLength?: number;
  /** `completions` (default) continues texts and can score; `chat` sends each prompt as a user's message. */
  readonly kind?: 'completions' | 'chat';
  /** Prompts sent in one request. Default 16; 1 for `chat`. */
  readonly batchSize?: number;
  /** Default: the tokenizer's end token. */
  readonly prefixTokenId?: number;
}

/** A model behind an OpenAI-compatible server: vLLM, llama.cpp, our own, OpenAI. */
export function endpointLanguageModel(options: EndpointOptions): LanguageModel {
  const {
    baseUrl,
    model,
    tokenizer,
    contextLength = 2048,
    kind = 'completions',
    batchSize = 16,
    apiKey,
  } = options;
  if (!/^https?:\/\//.test(baseUrl)) {
    throw new InvalidArgumentError('baseUrl', baseUrl, 'must begin with http:// or https://');
  }
  const root = baseUrl.replace(/\/+$/, '');
  const headers = {
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    ...options.headers,
  };
  const client = new HttpClient({ ...options, headers });
  const prefixTokenId = options.prefixTokenId ?? tokenizer.eosTokenId ?? 0;

  const score = async (
    requests: readonly ScoreRequest[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<CompletionScore[]> => {
    if (kind === 'chat')
      throw new EndpointError(root, undefined, 'chat endpoints cannot score; use completions');
    const url = `${root}/completions`;
    const parts = chunks(requests, batchSize).map(async (batch) => {
      const rows = batch.map((request) => cut(request, prefixTokenId, contextLength));
      const answer = await client.post(
        url,
        // One token is generated because some servers refuse none; it is left out below.
        {
          model,
          prompt: rows.map(({ ids }) => ids),
          max_tokens: 1,
          temperature: 0,
          logprobs: 1,
          echo: true,
          seed: 0,
        },
        signal,
      );
      const choices = choicesOf(url, answer, batch.length);
      return rows.map(({ start, ids }, i) => scoreOf(url, choices[i]!, start, ids.length));
    });
    return (await Promise.all(parts)).flat();
  };

  const complete = async (
    prompts: readonly (string | readonly number[])[],
    completionOptions: CompletionOptions = {},
  ): Promise<Completion[][]> => {
    const { maxTokens = 16, temperature = 1, topK, topP, stop = [], n = 1, seed, signal } = completionOptions;
    const sampling = {
      model,
      max_tokens: maxTokens,
      temperature,
      n,
      ...(topP === undefined ? {} : { top_p: topP }),
      ...(topK ? { top_k: topK } : {}),
      ...(stop.length > 0 ? { stop } : {}),
      ...(seed === undefined ? {} : { seed }),
    };
    const completion = (text: string, logProbs: readonly number[], finish: unknown): Completion => ({
      text,
      tokenIds: tokenizer.encode(text),
      logProbs,
      finishReason: finish === 'length' ? 'length' : 'stop',
    });
    if (kind === 'chat') {
      const url = `${root}/chat/completions`;
      return Promise.all(
        prompts.map(async (prompt) => {
          const content = typeof prompt === 'string' ? prompt : tokenizer.decode(prompt);
          const body = { ...sampling, messages: [{ role: 'user', content }], logprobs: true };
          const choices = choicesOf(url, await client.post(url, body, signal), n);
          return choices.map(({ message, finish_reason, logprobs }) =>
            completion(
              String((message as { content?: unknown } | undefined)?.content ?? ''),
              ((logprobs as { content?: { logprob: number }[] } | null)?.content ?? []).map(
                ({ logprob }) => logprob,
              ),
              finish_reason,
            ),
          );
        }),
      );
    }
    const url = `${root}/completions`;
    const parts = chunks(prompts, batchSize).map(async (batch) => {
      const answer = await client.post(url, { ...sampling, prompt: batch, logprobs: 1 }, signal);
      const choices = choicesOf(url, answer, batch.length * n);
      return batch.map((_, i) =>
        choices.slice(i * n, (i + 1) * n).map(({ text, finish_reason, logprobs }) =>
          completion(
            String(text ?? ''),
            ((logprobs as { token_logprobs?: (number | null)[] } | null)?.token_logprobs ?? []).map(
              (x) => x ?? 0,
            ),
            finish_reason,
          ),
        ),
      );
    });
    return (await Promise.all(parts)).flat();
  };

  return {
    name: `${model} @ ${root}`,
    contextLength,
    fingerprint: tokenizer.fingerprint,
    prefixTokenId,
    encode: async (text) => tokenizer.encode(text),
    decode: async (tokenIds) => tokenizer.decode(tokenIds),
    score,
    complete,
  };
}

/** Prompt and completion as one list, the beginning of the prompt dropped where they do not fit with one more token. */
function cut(
  request: ScoreRequest,
  prefixTokenId: number,
  contextLength: number,
): { ids: number[]; start: number } {
  const prompt = request.promptTokenIds.length > 0 ? request.promptTokenIds : [prefixTokenId];
  const whole = [...prompt, ...request.completionTokenIds];
  const ids = whole.slice(Math.max(0, whole.length - (contextLength - 1)));
  return { ids, start: Math.max(1, ids.length - request.completionTokenIds.length) };
}

type Choice = Readonly<Record<string, unknown>>;

function choicesOf(url: string, answer: unknown, count: number): Choice[] {
  const choices = (answer as { choices?: unknown } | null)?.choices;
  if (!Array.isArray(choices) || choices.length !== count) {
    const got = Array.isArray(choices) ? `${choices.length} choices` : 'no choices';
    throw new EndpointError(url, 200, `the answer has ${got}, expected ${count}`);
  }
  return [...(choices as Choice[])].sort((a, b) => Number(a.index ?? 0) - Number(b.index ?? 0));
}

function scoreOf(url: string, choice: Choice, start: number, length: number): CompletionScore {
  const {
    token_logprobs: logProbs,
    top_logprobs: tops,
    tokens,
  } = (choice.logprobs ?? {}) as {
    token_logprobs?: (number | null)[];
    top_logprobs?: (Record<string, number> | null)[];
    tokens?: string[];
  };
  if (!Array.isArray(logProbs) || logProbs.length < length) {
    throw new EndpointError(
      url,
      200,
      'the answer lacks the log-probabilities of the prompt (echo with logprobs)',
    );
  }
  const tokenLogProbs = logProbs.slice(start, length).map((value) => value ?? 0);
  const isGreedy = tokenLogProbs.every((own, i) => {
    const top = tops?.[start + i];
    if (!top) return false;
    const best = Math.max(...Object.values(top));
    const named = tokens?.[start + i];
    return own >= best || (named !== undefined && top[named] === best);
  });
  return { tokenLogProbs, isGreedy, logLikelihood: tokenLogProbs.reduce((sum, value) => sum + value, 0) };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size));
  return parts;
}
