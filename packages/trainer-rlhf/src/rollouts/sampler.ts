import type { GPT } from '@gpt-lineage/gpt-core';
import { type Rollout, type RolloutPrompt, type SamplingOptions, sampleRollouts } from './rollout.js';

/** Where completions come from: this process, or servers that hold a copy of the policy. */
export interface RolloutSampler {
  /** Samples completions; prompts that leave no room and empty completions are skipped and counted. */
  sample(
    prompts: readonly RolloutPrompt[],
    options: SamplingOptions,
  ): Promise<{ readonly rollouts: Rollout[]; readonly skipped: number }>;
  /** Called before each iteration, with the weights that are to sample. */
  update?(policy: GPT, iteration: number): Promise<void>;
}

/** Samples from the policy itself, whose weights change before the next call. */
export const localSampler = (policy: GPT): RolloutSampler => ({
  sample: (prompts, options) => sampleRollouts(policy, prompts, { ...options, weights: 'live' }),
});
