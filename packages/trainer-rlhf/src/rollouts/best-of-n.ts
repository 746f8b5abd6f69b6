import type { GPT } from '@gpt-lineage/gpt-core';
import {
  guardedRewards,
  type RewardFunction,
  type RewardGuard,
  type Rollout,
  type RolloutPrompt,
  sampleRollouts,
} from './rollout.js';

export interface BestOfNOptions extends RewardGuard {
  readonly reward: RewardFunction;
  /** Default 16. */
  readonly n?: number;
  readonly maxTokens: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/**
 * Best-of-n, or rejection sampling: of n completions of each prompt the one with the highest reward (Nakano et al. 2021,
 * WebGPT, §3.2). Its pairs are demonstrations for another round of fine-tuning. The KL divergence from the policy is at
 * most `ln n − (n − 1) / n`.
 */
export async function bestOfN(
  policy: GPT,
  prompts: readonly RolloutPrompt[],
  { reward, n = 16, maxTokens, temperature = 1, seed = 0, signal, ...guard }: BestOfNOptions,
): Promise<{ best: { rollout: Rollout; reward: number }[]; klBound: number; skipped: number }> {
  const sampling = { n, maxTokens, temperature, seed, ...(signal ? { signal } : {}) };
  const { rollouts, skipped } = await sampleRollouts(policy, prompts, sampling);
  const rewards = await guardedRewards(rollouts, reward, guard, signal);
  const best = new Map<number, { rollout: Rollout; reward: number }>();
  rollouts.forEach((rollout, index) => {
    const value = rewards[index];
    const top = best.get(rollout.promptIndex);
    if (value !== undefined && (!top || value > top.reward))
      best.set(rollout.promptIndex, { rollout, reward: value });
  });
  return { best: [...best.values()], klBound: Math.log(n) - (n - 1) / n, skipped };
}
