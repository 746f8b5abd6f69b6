import type { GPT, TokenSource } from '@gpt-lineage/gpt-core';
import type { ScalarHeadModel } from '../models/scalar-head.js';
import type { AdaptiveKLController, KLEstimator } from '../objectives/kl.js';
import type { RewardFunction, RewardGuard, RolloutPrompt } from '../rollouts/rollout.js';
import type { RolloutSampler } from '../rollouts/sampler.js';
import type { CommonTrainerOptions } from './run.js';

export interface PPOTrainerOptions extends Omit<CommonTrainerOptions, 'batchSize'>, RewardGuard {
  readonly policy: GPT;
  /** Frozen; the policy as PPO begins (`copyModel`). */
  readonly reference: GPT;
  /** Starts from the reward model (`rewardModel.clone()`). */
  readonly value: ScalarHeadModel;
  readonly prompts: readonly RolloutPrompt[];
  readonly reward: RewardFunction;
  /** Rounds of sampling and updating. */
  readonly iterations: number;
  /** Prompts (episodes) per iteration. Paper 512, default 32. */
  readonly episodes?: number;
  /** Episodes per optimiser step. Paper 64, default `episodes`. */
  readonly minibatch?: number;
  /** Passes over each batch of episodes, default 1. */
  readonly innerEpochs?: number;
  /** Most tokens of a completion. */
  readonly maxTokens: number;
  /** Default 1: ratios are those of the full distribution. */
  readonly temperature?: number;
  /** β, a fixed number (default 0.02) or an adaptive controller. */
  readonly kl?: number | AdaptiveKLController;
  readonly klEstimator?: KLEstimator;
  /** Default 1. */
  readonly gamma?: number;
  /** Default 0.95. */
  readonly lambda?: number;
  readonly clipRange?: number;
  readonly clipRangeValue?: number;
  /** Weight of the value loss, default 0.1. */
  readonly valueCoefficient?: number;
  /** Learning rate of the value model, default the policy's. */
  readonly valueLearningRate?: number;
  readonly whitenAdvantages?: boolean;
  /** Subtracted from the score of a completion that was cut off before its end token, default 0. */
  readonly missingEndPenalty?: number;
  /** End an iteration's remaining passes when the approximate KL from the sampling policy exceeds this. */
  readonly targetKL?: number;
  /** An update whose mean ratio is above this counts for nothing, default 10. */
  readonly ratioThreshold?: number;
  /** Where completions come from. Default: the policy, in this process. */
  readonly sampler?: RolloutSampler;
  /** PPO-ptx: pretraining rows mixed into every step. */
  readonly pretraining?: {
    readonly source: TokenSource;
    readonly coefficient?: number;
    readonly rowsPerEpisode?: number;
  };
}
