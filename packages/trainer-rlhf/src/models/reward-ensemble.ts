import type { GPT } from '@gpt-lineage/gpt-core';
import { TrainerDataError } from '../errors.js';
import type { RewardFunction } from '../rollouts/rollout.js';
import type { PromptCompletion } from '../rollouts/sequence-rows.js';
import { mean, standardDeviation } from '../trainers/mean.js';
import { scoreSequences } from '../trainers/reward-trainer.js';
import { encodeDemonstration } from '../trainers/sft-trainer.js';
import type { ScalarHeadModel } from './scalar-head.js';

export interface RewardEnsembleOptions {
  /**
   * `'mean'` (default); `'minimum'`, the most doubtful member; `'lower-bound'`, mean − `caution` × standard deviation
   * (Coste et al. 2023, Reward model ensembles help mitigate overoptimization).
   */
  readonly combine?: 'mean' | 'minimum' | 'lower-bound';
  /** Of `'lower-bound'`, default 1. */
  readonly caution?: number;
}

/** Reward models trained from different seeds (or on different parts of the data) that score together. Owns its members. */
export class RewardEnsemble {
  readonly models: readonly ScalarHeadModel[];
  readonly #combine: NonNullable<RewardEnsembleOptions['combine']>;
  readonly #caution: number;

  /** @throws {TrainerDataError} no members, or members with different tokenizers */
  constructor(
    models: readonly ScalarHeadModel[],
    { combine = 'mean', caution = 1 }: RewardEnsembleOptions = {},
  ) {
    if (models.length === 0) throw new TrainerDataError('models', '[]', 'give at least one reward model');
    const fingerprints = new Set(models.map(({ gpt }) => gpt.tokenizer?.fingerprint));
    if (fingerprints.size > 1) {
      throw new TrainerDataError(
        'models',
        `${fingerprints.size} tokenizers`,
        'give reward models that share one tokenizer',
      );
    }
    if (combine !== 'mean' && combine !== 'minimum' && combine !== 'lower-bound') {
      throw new TrainerDataError('combine', combine, "use 'mean', 'minimum' or 'lower-bound'");
    }
    this.models = models;
    this.#combine = combine;
    this.#caution = caution;
  }

  /** The combined reward of each sequence, and how far the members are apart (standard deviation, n − 1). */
  async scores(
    sequences: readonly PromptCompletion[],
  ): Promise<{ readonly rewards: number[]; readonly deviations: number[] }> {
    const members: number[][] = [];
    for (const model of this.models) members.push(await scoreSequences(model, sequences));
    const columns = sequences.map((_, index) => members.map((rewards) => rewards[index]!));
    const deviations = columns.map(standardDeviation);
    const rewards = columns.map((column, index) => {
      if (this.#combine === 'minimum') return Math.min(...column);
      const center = mean(column);
      return this.#combine === 'mean' ? center : center - this.#caution * deviations[index]!;
    });
    return { rewards, deviations };
  }

  /** The combined reward of each prompt with its completion. */
  async rewards(
    pairs: readonly { readonly prompt: string; readonly completion: string }[],
  ): Promise<number[]> {
    const encoder: GPT = this.models[0]!.gpt;
    return (await this.scores(pairs.map((pair) => encodeDemonstration(encoder, pair)))).rewards;
  }

  /** The ensemble as the reward of PPO, GRPO or best-of-n. */
  get reward(): RewardFunction {
    return async (rollouts) => (await this.scores(rollouts)).rewards;
  }

  dispose(): void {
    for (const model of this.models) model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
