import { GRPOTrainer, type GRPOTrainerOptions } from './grpo-trainer.js';

export interface RLOOTrainerOptions
  extends Omit<GRPOTrainerOptions, 'normalisation' | 'klCoefficient' | 'klInReward' | 'average'> {
  /** β of the KL penalty in each completion's reward, default 0.05; above 0 it needs `reference`. */
  readonly beta?: number;
}

/**
 * REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024, Back to basics): each completion's reward, KL penalty
 * included, less the mean of the others of its prompt, times the log-probability of the whole completion. GRPO's parts
 * with another baseline, no scaling by the deviation, and no mean over tokens.
 */
export class RLOOTrainer extends GRPOTrainer {
  constructor({ beta = 0.05, ...options }: RLOOTrainerOptions) {
    super({ ...options, normalisation: 'leave-one-out', klCoefficient: 0, klInReward: beta, average: 'sum' });
  }
}
