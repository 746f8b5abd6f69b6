/** A prompt and the continuation whose probability is asked for. */
export interface ScoreRequest {
  /** May be empty: the first completion token is then conditioned on `prefixTokenId` alone. */
  readonly promptTokenIds: readonly number[];
  /** At least one token. */
  readonly completionTokenIds: readonly number[];
}

export interface CompletionScore {
  /** Σ log-probability of the completion's tokens, nats. */
  readonly logLikelihood: number;
  /** One per completion token, nats. */
  readonly tokenLogProbs: readonly number[];
  /** Whether greedy decoding would have produced exactly this completion. */
  readonly isGreedy: boolean;
}

export interface CompletionOptions {
  /** Default 16. */
  readonly maxTokens?: number;
  /** 0 is greedy. Default 1. */
  readonly temperature?: number;
  /** Default 0: off. */
  readonly topK?: number;
  /** Default 1: off. */
  readonly topP?: number;
  /** Texts at which the completion ends; they are not part of it. */
  readonly stop?: readonly string[];
  /** Completions per prompt, each with a seed of its own derived from `seed`. Default 1. */
  readonly n?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface Completion {
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** Of each token under the distribution it was sampled from (temperature 1, no truncation), nats. */
  readonly logProbs: readonly number[];
  readonly finishReason: 'stop' | 'length' | 'eos';
}

/**
 * What an evaluation or a reinforcement-learning trainer needs of a language model, and nothing else. A local `GPT`
 * offers it, and so does any OpenAI-compatible endpoint, so that the same run works on a laptop and on a cluster.
 */
export interface LanguageModel {
  /** For reports: a path, a preset's name, or `model @ url`. */
  readonly name: string;
  /** Most tokens of prompt and completion together. */
  readonly contextLength: number;
  /** Of the tokenizer; caches of results are keyed by it. `undefined` when the endpoint does not tell. */
  readonly fingerprint: string | undefined;
  /** Stands before a text that has no context: the end-of-text token. */
  readonly prefixTokenId: number;
  encode(text: string): Promise<number[]>;
  decode(tokenIds: readonly number[]): Promise<string>;
  /**
   * Log-likelihoods, in the order of the requests. A request longer than the context is cut on the left of its prompt.
   * Requests that share a prompt prefix are computed together; results do not depend on what else is in the batch.
   */
  score(requests: readonly ScoreRequest[], options?: { signal?: AbortSignal }): Promise<CompletionScore[]>;
  /** Completions of each prompt (text or token ids): one list of `n` per prompt. */
  complete(
    prompts: readonly (string | readonly number[])[],
    options?: CompletionOptions,
  ): Promise<Completion[][]>;
}
