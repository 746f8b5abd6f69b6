import type { GPT, TrainingEvent } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import { type GroupAdvantageOptions, groupAdvantage } from '../objectives/group-advantage.js';
import { type GRPOLossOptions, grpoTokenLoss } from '../objectives/grpo-loss.js';
import { tokenLogProbsOf } from '../rollouts/completion-log-probs.js';
import type { Experience } from '../rollouts/experience.js';
import { measureLogProbs } from '../rollouts/measure.js';
import {
  guardedRewards,
  type RewardFunction,
  type RewardGuard,
  type RolloutPrompt,
  sampleRollouts,
} from '../rollouts/rollout.js';
import { mean, standardDeviation } from './mean.js';
import { onPolicyTask } from './on-policy-task.js';
import type { RolloutEvent } from './ppo-trainer.js';
import { promptBatch } from './prompt-batch.js';
import { type CommonTrainerOptions, runTask } from './run.js';

export interface GRPOTrainerOptions
  extends Omit<CommonTrainerOptions, 'batchSize'>,
    GRPOLossOptions,
    Pick<GroupAdvantageOptions, 'normalisation'>,
    RewardGuard {
  readonly policy: GPT;
  /** Frozen; needed while `klCoefficient` is above 0. */
  readonly reference?: GPT;
  readonly prompts: readonly RolloutPrompt[];
  readonly reward: RewardFunction;
  readonly iterations: number;
  /** Prompts per iteration, default 8. */
  readonly groups?: number;
  /** Completions per prompt, default 8. */
  readonly groupSize?: number;
  /** Completions per optimiser step, default all of an iteration. */
  readonly minibatch?: number;
  readonly innerEpochs?: number;
  readonly maxTokens: number;
  readonly temperature?: number;
  /** Completions cut off before their end do not train the policy (DAPO's overlong filtering). Default `false`. */
  readonly maskTruncated?: boolean;
}

/**
 * Group relative policy optimisation (Shao et al. 2024, DeepSeekMath): several completions of each prompt are rewarded,
 * and each is pushed by how much better than its group it did. No value model. With `normalisation: 'leave-one-out'` and
 * `klCoefficient: 0` it is RLOO.
 */
export class GRPOTrainer {
  readonly options: GRPOTrainerOptions;
  #pending: RolloutEvent[] = [];

  constructor(options: GRPOTrainerOptions) {
    if (options.prompts.length === 0) throw new TrainerDataError('prompts', '[]', 'give at least one prompt');
    if ((options.klCoefficient ?? 0.04) > 0 && !options.reference) {
      throw new TrainerDataError(
        'reference',
        undefined,
        'give the frozen reference, or set klCoefficient to 0',
      );
    }
    this.options = options;
  }

  async *train(): AsyncGenerator<TrainingEvent | RolloutEvent, void, void> {
    const { options } = this;
    const {
      policy,
      prompts,
      maxTokens,
      iterations,
      groups = 8,
      groupSize = 8,
      innerEpochs = 1,
      seed = 0,
    } = options;
    const episodes = groups * groupSize;
    const minibatch = options.minibatch ?? episodes;
    if (episodes % minibatch !== 0) {
      throw new TrainerDataError(
        'minibatch',
        minibatch,
        `give a divisor of groups × groupSize (${episodes})`,
      );
    }
    const longest = Math.max(...prompts.map(({ prompt }) => policy.encode(prompt).length));
    const length = Math.min(policy.config.contextLength, longest + maxTokens);
    const stepsPerIteration = (innerEpochs * episodes) / minibatch;
    const task = onPolicyTask({
      model: policy,
      collect: (iteration) => this.#collect(iteration, groups, groupSize, length, seed),
      episodes,
      innerEpochs,
      length,
      seed,
      loss: (inputs, step, training) => this.#loss(inputs, step, training),
    });
    const learningRate = options.learningRate ?? 1e-6;
    const events = runTask(task, options, {
      steps: options.steps ?? iterations * stepsPerIteration,
      batchSize: minibatch,
      length,
      defaults: {
        learningRate,
        minLearningRate: learningRate,
        schedule: 'constant',
        betas: [0.9, 0.99],
        weightDecay: 0,
        checkpointEvery: 10 * stepsPerIteration,
      },
      settings: { kind: 'grpo', groups, groupSize, innerEpochs, maxTokens, prompts: prompts.length },
    });
    for await (const event of events) {
      yield* this.#pending.splice(0);
      yield event;
    }
  }

  async #collect(
    iteration: number,
    groups: number,
    groupSize: number,
    length: number,
    seed: number,
  ): Promise<Experience[]> {
    const {
      policy,
      reference,
      prompts,
      reward,
      maxTokens,
      temperature = 1,
      normalisation,
      maskTruncated = false,
      signal,
    } = this.options;
    const { rollouts, skipped } = await sampleRollouts(
      policy,
      promptBatch(prompts, groups, iteration, seed),
      {
        n: groupSize,
        maxTokens,
        temperature,
        seed: seed * 1_000_003 + iteration,
        ...(signal ? { signal } : {}),
      },
    );
    const given = await guardedRewards(rollouts, reward, this.options, signal);
    const rewarded = rollouts.flatMap((rollout, index) => {
      const score = given[index];
      return score === undefined ? [] : [{ rollout, score }];
    });
    const advantages = new Map<(typeof rewarded)[number], number>();
    let flat = 0;
    const byPrompt = new Map<number, typeof rewarded>();
    for (const entry of rewarded) {
      const group = byPrompt.get(entry.rollout.promptIndex) ?? [];
      group.push(entry);
      byPrompt.set(entry.rollout.promptIndex, group);
    }
    for (const group of byPrompt.values()) {
      if (group.length < 2) continue; // nothing to compare with
      if (standardDeviation(group.map((entry) => entry.score)) === 0) flat += 1;
      const values = tf.tidy(() =>
        groupAdvantage(
          tf.tensor2d([group.map((entry) => entry.score)]),
          normalisation ? { normalisation } : {},
        ),
      );
      const numbers = await values.data();
      values.dispose();
      group.forEach((entry, index) => {
        advantages.set(entry, numbers[index]!);
      });
    }
    const trained = [...advantages].filter(([{ rollout }]) => !maskTruncated || rollout.endedByItself);
    const sequences = trained.map(([{ rollout }]) => rollout);
    const { logProbs, entropies } = await measureLogProbs(policy, sequences, length);
    const referenced = reference ? (await measureLogProbs(reference, sequences, length)).logProbs : undefined;
    const scores = rewarded.map((entry) => entry.score);
    const lengths = rewarded.map((entry) => entry.rollout.completionTokenIds.length);
    const cut = rewarded.filter((entry) => !entry.rollout.endedByItself).length;
    this.#pending.push({
      type: 'rollout',
      iteration,
      skipped: skipped + rollouts.length - rewarded.length,
      metrics: {
        reward: mean(scores),
        reward_std: standardDeviation(scores),
        frac_reward_zero_std: flat / Math.max(1, byPrompt.size),
        entropy: mean(entropies.flat()),
        'completions/mean_length': mean(lengths),
        'completions/max_length': Math.max(0, ...lengths),
        'completions/clipped_ratio': cut / Math.max(1, rewarded.length),
        ...(referenced
          ? { kl: mean(logProbs.flatMap((row, index) => row.map((p, t) => kl3(p, referenced[index]![t]!)))) }
          : {}),
      },
      samples: rewarded.slice(0, 4).map(({ rollout, score }) => ({
        prompt: rollout.prompt,
        completion: rollout.completion,
        reward: score,
      })),
    });
    return trained.map(([entry, advantage], index): Experience => {
      const { promptTokenIds, completionTokenIds } = entry.rollout;
      return {
        promptTokenIds,
        completionTokenIds,
        oldLogProbs: logProbs[index]!,
        advantages: completionTokenIds.map(() => advantage),
        ...(referenced ? { referenceLogProbs: referenced[index]! } : {}),
      };
    });
  }

  #loss(inputs: Readonly<Record<string, tf.Tensor>>, seed: number | tf.Tensor, training: boolean): tf.Scalar {
    const { policy, reference, clipLow, clipHigh, klCoefficient, average } = this.options;
    return tf.tidy(() => {
      const { logProbs } = tokenLogProbsOf(
        policy,
        inputs.tokenIds as tf.Tensor2D,
        inputs.attentionMask as tf.Tensor2D,
        {
          training,
          seed,
        },
      );
      return grpoTokenLoss(
        {
          logProbs,
          oldLogProbs: inputs.oldLogProbs as tf.Tensor2D,
          advantages: inputs.advantages as tf.Tensor2D,
          mask: inputs.completionMask as tf.Tensor2D,
          ...(reference ? { referenceLogProbs: inputs.referenceLogProbs as tf.Tensor2D } : {}),
        },
        {
          ...(clipLow === undefined ? {} : { clipLow }),
          ...(clipHigh === undefined ? {} : { clipHigh }),
          ...(klCoefficient === undefined ? {} : { klCoefficient }),
          ...(average === undefined ? {} : { average }),
        },
      ).loss;
    });
  }
}

const kl3 = (logProb: number, reference: number) => Math.exp(reference - logProb) - 1 - (reference - logProb);
