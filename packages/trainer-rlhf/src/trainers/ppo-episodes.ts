import { guardedRewards, type Rollout } from '../rollouts/rollout.js';
import { localSampler } from '../rollouts/sampler.js';
import type { PPOTrainerOptions } from './ppo-options.js';
import { promptBatch } from './prompt-batch.js';

/** Completions that have a score. */
export interface Episodes {
  readonly rollouts: readonly Rollout[];
  readonly scores: readonly number[];
  /** Those that were left out. */
  readonly skipped: number;
}

/** Samples the episodes of one iteration from the policy as it is, and scores them. */
export async function sampleEpisodes(
  options: PPOTrainerOptions,
  iteration: number,
  episodes: number,
): Promise<Episodes> {
  const { policy, prompts, reward, maxTokens, temperature = 1, missingEndPenalty = 0, seed = 0 } = options;
  const sampler = options.sampler ?? localSampler(policy);
  await sampler.update?.(policy, iteration);
  const sampled = await sampler.sample(promptBatch(prompts, episodes, iteration, seed), {
    n: 1,
    maxTokens,
    temperature,
    seed: seed * 1_000_003 + iteration,
  });
  const given = await guardedRewards(sampled.rollouts, reward, options);
  const kept = sampled.rollouts.flatMap((rollout, index) => {
    const score = given[index];
    if (score === undefined) return [];
    return [{ rollout, score: score - (rollout.endedByItself ? 0 : missingEndPenalty) }];
  });
  return {
    rollouts: kept.map(({ rollout }) => rollout),
    scores: kept.map(({ score }) => score),
    skipped: sampled.skipped + sampled.rollouts.length - kept.length,
  };
}
