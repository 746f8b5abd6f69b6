import type {
  Completion,
  CompletionOptions,
  CompletionScore,
  LanguageModel,
  ScoreRequest,
} from '@gpt-lineage/gpt-core';

/** A byte-level model with a made-up but fixed distribution: enough to check everything around a model. */
export class TinyLanguageModel implements LanguageModel {
  readonly name = 'tiny';
  readonly fingerprint = 'bytes';
  readonly prefixTokenId = 256;
  readonly contextLength: number;
  /** Texts it answers with, by a substring of the prompt. */
  readonly answers: readonly (readonly [string, string])[];
  scoreCalls = 0;
  scoredRequests = 0;
  completeCalls = 0;

  constructor({ contextLength = 2048, answers = [] as readonly (readonly [string, string])[] } = {}) {
    this.contextLength = contextLength;
    this.answers = answers;
  }

  async encode(text: string): Promise<number[]> {
    return [...new TextEncoder().encode(text)];
  }

  async decode(tokenIds: readonly number[]): Promise<string> {
    return new TextDecoder().decode(Uint8Array.from(tokenIds));
  }

  /** log p(token | previous): vowels after consonants and spaces after letters are likely; sums to one over 257 ids. */
  logProb(previous: number, token: number): number {
    const weight = (id: number) => 1 + ((id * 7 + previous * 3) % 11);
    let total = 0;
    for (let id = 0; id < 257; id++) total += weight(id);
    return Math.log(weight(token) / total);
  }

  async score(requests: readonly ScoreRequest[]): Promise<CompletionScore[]> {
    this.scoreCalls += 1;
    this.scoredRequests += requests.length;
    return requests.map(({ promptTokenIds, completionTokenIds }) => {
      let previous = promptTokenIds.at(-1) ?? this.prefixTokenId;
      const tokenLogProbs = completionTokenIds.map((token) => {
        const logProb = this.logProb(previous, token);
        previous = token;
        return logProb;
      });
      const logLikelihood = tokenLogProbs.reduce((sum, value) => sum + value, 0);
      return { logLikelihood, tokenLogProbs, isGreedy: false };
    });
  }

  async complete(
    prompts: readonly (string | readonly number[])[],
    options: CompletionOptions = {},
  ): Promise<Completion[][]> {
    this.completeCalls += 1;
    return prompts.map((prompt) => {
      const answer = this.answers.find(([part]) => String(prompt).endsWith(part))?.[1] ?? '';
      const cut = (options.stop ?? []).map((stop) => answer.indexOf(stop)).filter((at) => at >= 0);
      const text = answer.slice(0, Math.min(answer.length, ...cut));
      return Array.from({ length: options.n ?? 1 }, () => ({
        text,
        tokenIds: [],
        logProbs: [],
        finishReason: 'stop' as const,
      }));
    });
  }
}
