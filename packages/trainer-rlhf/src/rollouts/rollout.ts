import type { GPT } from '@gpt-lineage/gpt-core';
import { RewardError } from '../errors.js';
import type { PromptCompletion } from './sequence-rows.js';

/** A prompt with what its data set knows about it: reference answer, tests, labels. */
export interface RolloutPrompt {
  readonly prompt: string;
  readonly record?: Readonly<Record<string, unknown>>;
}

export interface Rollout extends PromptCompletion {
  readonly prompt: string;
  readonly completion: string;
  readonly record: Readonly<Record<string, unknown>>;
  /** Which prompt of the batch. */
  readonly promptIndex: number;
  readonly endedByItself: boolean;
  /** As the sampler reported them, nats; absent where it reports none. */
  readonly samplingLogProbs?: readonly number[];
}

export interface SamplingOptions {
  /** Completions per prompt. */
  readonly n: number;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface LocalSamplingOptions extends SamplingOptions {
  /** `'live'` where they change before the next call. Default `'float32'`. */
  readonly weights?: 'float32' | 'live';
}

/**
 * Samples completions from the policy. Neither top-k nor top-p: the log-probabilities that PPO recomputes are those of
 * the full distribution, and cutting it would bias every ratio by the mass that was cut. Prompts longer than the context
 * leaves room for are skipped and counted; so are empty completions.
 */
export async function sampleRollouts(
  policy: GPT,
  prompts: readonly RolloutPrompt[],
  { n, maxTokens, temperature, seed, signal, weights = 'float32' }: LocalSamplingOptions,
): Promise<{ rollouts: Rollout[]; skipped: number }> {
  const encoded = prompts.map(({ prompt }) => policy.encode(prompt));
  const usable = [...prompts.keys()].filter((index) => {
    const { length } = encoded[index]!;
    return length > 0 && length + maxTokens <= policy.config.contextLength;
  });
  let skipped = (prompts.length - usable.length) * n;
  if (usable.length === 0) return { rollouts: [], skipped };
  const results = await policy.generate(
    usable.map((index) => encoded[index]!),
    {
      n,
      maxTokens,
      temperature,
      weights,
      // Each prompt has a stream of its own: two equal prompts must not give the same completion.
      seeds: usable.map((index) => mixSeeds(seed, index)),
      contextOverflow: 'stop',
      ...(signal ? { signal } : {}),
    },
  );
  signal?.throwIfAborted();
  const rollouts = results.flatMap((result, position) =>
    result.choices.map((choice): Rollout => {
      const promptIndex = usable[position]!;
      return {
        promptIndex,
        prompt: prompts[promptIndex]!.prompt,
        record: prompts[promptIndex]!.record ?? {},
        completion: choice.text,
        promptTokenIds: encoded[promptIndex]!,
        completionTokenIds: [...choice.tokenIds],
        endedByItself: choice.finishReason === 'eos' || choice.finishReason === 'stop',
        samplingLogProbs: choice.logProbs,
      };
    }),
  );
  const kept = rollouts.filter((rollout) => rollout.completionTokenIds.length > 0);
  skipped += rollouts.length - kept.length;
  return { rollouts: kept, skipped };
}

/** A stream of its own for each prompt. */
export const mixSeeds = (seed: number, index: number) =>
  (Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(index + 1, 0xc2b2_ae35)) >>> 0;

/** Scores completions; one number each, in order. */
export type RewardFunction = (
  rollouts: readonly Rollout[],
  signal?: AbortSignal,
) => Promise<readonly number[]>;

export interface RewardGuard {
  /** Default 60,000 for one batch. */
  readonly timeoutMs?: number;
  /** `'throw'` (default), or `'skip'` completions whose reward is no finite number. */
  readonly onRewardFailure?: 'throw' | 'skip';
}

/**
 * Calls a reward function and trusts nothing it returns.
 *
 * @returns rewards, `undefined` where a completion is to be skipped
 * @throws {RewardError} it threw, hung, returned the wrong count, or (unless skipping) something not finite
 */
export async function guardedRewards(
  rollouts: readonly Rollout[],
  reward: RewardFunction,
  { timeoutMs = 60_000, onRewardFailure = 'throw' }: RewardGuard = {},
  signal?: AbortSignal,
): Promise<(number | undefined)[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RewardError(`took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    const values = await Promise.race([Promise.resolve().then(() => reward(rollouts, signal)), late]);
    if (values.length !== rollouts.length) {
      throw new RewardError(`returned ${values.length} rewards for ${rollouts.length} completions`);
    }
    return values.map((value, index) => {
      if (Number.isFinite(value)) return value;
      if (onRewardFailure === 'skip') return undefined;
      throw new RewardError(`returned ${value} for completion ${index}`);
    });
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof RewardError) throw cause;
    if (onRewardFailure === 'skip') return rollouts.map(() => undefined);
    throw new RewardError(`failed (${(cause as Error).message})`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
