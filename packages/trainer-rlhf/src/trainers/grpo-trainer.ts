import type { GPT } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import { type GroupAdvantageOptions, groupAdvantage } from '../objectives/group-advantage.js';
import { type GRPOLossOptions, grpoTokenLoss } from '../objectives/grpo-loss.js';
import { completionPredictions } from '../rollouts/completion-predictions.js';
import { type Experience, experienceFeeds } from '../rollouts/experience.js';
import { Measurements } from '../rollouts/measure.js';
import {
  guardedRewards,
  type RewardFunction,
  type RewardGuard,
  type Rollout,
  type RolloutPrompt,
} from '../rollouts/rollout.js';
import { localSampler, type RolloutSampler } from '../rollouts/sampler.js';
import { mean, standardDeviation } from './mean.js';
import {
  completionMetrics,
  IterationLog,
  type OnPolicyEvent,
  samplingDifference,
} from './on-policy-events.js';
import { onPolicyTask } from './on-policy-task.js';
import { columnsFor, promptBatch } from './prompt-batch.js';
import { type CommonTrainerOptions, runTask } from './run.js';
import type { UpdateStatistics } from './update-statistics.js';

export interface GRPOTrainerOptions
  extends Omit<CommonTrainerOptions, 'batchSize'>,
    GRPOLossOptions,
    Pick<GroupAdvantageOptions, 'normalisation'>,
    RewardGuard {
  readonly policy: GPT;
  /** Frozen; needed while `klCoefficient` or `klInReward` is above 0. */
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
  /** β of a KL penalty that is subtracted from each completion's reward, as RLOO does. Default 0. */
  readonly klInReward?: number;
  /** Where completions come from. Default: the policy, in this process. */
  readonly sampler?: RolloutSampler;
}

const STATISTICS = [
  'loss/policy_avg',
  'clip_ratio/low_mean',
  'clip_ratio/high_mean',
  'clip_ratio/region_mean',
  'val/ratio',
] as const;

type Rewarded = { readonly rollout: Rollout; readonly score: number };

/**
 * Group relative policy optimisation (Shao et al. 2024, DeepSeekMath): several completions of each prompt are rewarded,
 * and each is pushed by how much better than its group it did. No value model.
 */
export class GRPOTrainer {
  readonly options: GRPOTrainerOptions;

  constructor(options: GRPOTrainerOptions) {
    if (options.prompts.length === 0) throw new TrainerDataError('prompts', '[]', 'give at least one prompt');
    if (((options.klCoefficient ?? 0.04) > 0 || (options.klInReward ?? 0) > 0) && !options.reference) {
      throw new TrainerDataError(
        'reference',
        undefined,
        'give the frozen reference, or set klCoefficient to 0',
      );
    }
    this.options = options;
  }

  async *train(): AsyncGenerator<OnPolicyEvent, void, void> {
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
    const columns = columnsFor(policy, prompts, maxTokens);
    const { length } = columns;
    const stepsPerIteration = (innerEpochs * episodes) / minibatch;
    const measurements = new Measurements(columns, {
      temperature: options.temperature,
      frozen: options.reference ? [options.reference] : [],
    });
    const log = new IterationLog(STATISTICS, stepsPerIteration);
    const task = onPolicyTask({
      model: policy,
      collect: (iteration) => this.#collect(iteration, groups, groupSize, measurements, log, seed),
      episodes,
      innerEpochs,
      length,
      seed,
      feeds: (items) => experienceFeeds(items, columns),
      loss: (inputs, step, training) => this.#loss(inputs, step, training, log.statistics),
      log,
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
    try {
      yield* log.interleave(events);
    } finally {
      measurements.dispose();
      log.dispose();
    }
  }

  async #collect(
    iteration: number,
    groups: number,
    groupSize: number,
    measurements: Measurements,
    log: IterationLog<(typeof STATISTICS)[number]>,
    seed: number,
  ): Promise<Experience[]> {
    const {
      policy,
      reference,
      prompts,
      reward,
      maxTokens,
      temperature = 1,
      maskTruncated = false,
    } = this.options;
    const sampler = this.options.sampler ?? localSampler(policy);
    await sampler.update?.(policy, iteration);
    const { rollouts, skipped } = await sampler.sample(promptBatch(prompts, groups, iteration, seed), {
      n: groupSize,
      maxTokens,
      temperature,
      seed: seed * 1_000_003 + iteration,
    });
    const given = await guardedRewards(rollouts, reward, this.options);
    const rewarded = rollouts.flatMap((rollout, index): Rewarded[] => {
      const score = given[index];
      return score === undefined ? [] : [{ rollout, score }];
    });
    const sequences = rewarded.map(({ rollout }) => rollout);
    const { logProbs, entropies } = await measurements.predictions(policy, sequences);
    const referenced = reference ? await measurements.logProbs(reference, sequences) : undefined;
    const { advantages, groupCount, flat } = await this.#advantages(rewarded, logProbs, referenced);
    const scores = rewarded.map((entry) => entry.score);
    log.sampled({
      type: 'rollout',
      iteration,
      skipped: skipped + rollouts.length - rewarded.length,
      metrics: {
        reward: mean(scores),
        reward_std: standardDeviation(scores),
        frac_reward_zero_std: flat / Math.max(1, groupCount),
        entropy: mean(entropies.flat()),
        num_tokens: sequences.reduce((sum, { completionTokenIds }) => sum + completionTokenIds.length, 0),
        ...completionMetrics(sequences),
        ...samplingDifference(sequences, temperature === 1 ? logProbs : []),
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
    return rewarded.flatMap(({ rollout }, index): Experience[] => {
      const advantage = advantages[index];
      if (advantage === undefined || (maskTruncated && !rollout.endedByItself)) return [];
      const { promptTokenIds, completionTokenIds } = rollout;
      return [
        {
          promptTokenIds,
          completionTokenIds,
          oldLogProbs: logProbs[index]!,
          advantages: completionTokenIds.map(() => advantage),
          ...(referenced ? { referenceLogProbs: referenced[index]! } : {}),
        },
      ];
    });
  }

  /** One per completion; `undefined` for one that has nothing to be compared with. */
  async #advantages(
    rewarded: readonly Rewarded[],
    logProbs: readonly (readonly number[])[],
    referenced: readonly (readonly number[])[] | undefined,
  ): Promise<{ advantages: (number | undefined)[]; groupCount: number; flat: number }> {
    const { normalisation, klInReward = 0 } = this.options;
    const total = rewarded.map(({ score }, index) => {
      if (klInReward === 0 || !referenced) return score;
      const kl = logProbs[index]!.reduce((sum, p, t) => sum + p - referenced[index]![t]!, 0);
      return score - klInReward * kl;
    });
    const groups = new Map<number, number[]>();
    rewarded.forEach(({ rollout }, index) => {
      groups.set(rollout.promptIndex, [...(groups.get(rollout.promptIndex) ?? []), index]);
    });
    const advantages: (number | undefined)[] = rewarded.map(() => undefined);
    let flat = 0;
    for (const members of groups.values()) {
      if (members.length < 2) continue; // nothing to compare with
      if (standardDeviation(members.map((index) => rewarded[index]!.score)) === 0) flat += 1;
      const values = tf.tidy(() =>
        groupAdvantage(
          tf.tensor2d([members.map((index) => total[index]!)]),
          normalisation ? { normalisation } : {},
        ),
      );
      const numbers = await values.data();
      values.dispose();
      members.forEach((index, place) => {
        advantages[index] = numbers[place]!;
      });
    }
    return { advantages, groupCount: groups.size, flat };
  }

  #loss(
    inputs: Readonly<Record<string, tf.Tensor>>,
    seed: number | tf.Tensor,
    training: boolean,
    statistics: UpdateStatistics<(typeof STATISTICS)[number]>,
  ): tf.Scalar {
    const { policy, reference, clipLow, clipHigh, klCoefficient, average, temperature = 1 } = this.options;
    return tf.tidy(() => {
      const tokenIds = inputs.tokenIds as tf.Tensor2D;
      const mask = inputs.completionMask as tf.Tensor2D;
      const first = tokenIds.shape[1] - mask.shape[1];
      const { logProbs } = completionPredictions(policy, tokenIds, first, { training, seed, temperature });
      const { loss, clipFraction, clipHighFraction, ratio } = grpoTokenLoss(
        {
          logProbs,
          oldLogProbs: inputs.oldLogProbs as tf.Tensor2D,
          advantages: inputs.advantages as tf.Tensor2D,
          mask,
          ...(reference ? { referenceLogProbs: inputs.referenceLogProbs as tf.Tensor2D } : {}),
        },
        {
          ...(clipLow === undefined ? {} : { clipLow }),
          ...(clipHigh === undefined ? {} : { clipHigh }),
          ...(klCoefficient === undefined ? {} : { klCoefficient }),
          ...(average === undefined ? {} : { average }),
        },
      );
      statistics.add({
        'loss/policy_avg': loss,
        'clip_ratio/low_mean': tf.sub(clipFraction, clipHighFraction) as tf.Scalar,
        'clip_ratio/high_mean': clipHighFraction,
        'clip_ratio/region_mean': clipFraction,
        'val/ratio': ratio,
      });
      return loss;
    });
  }
}

const kl3 = (logProb: number, reference: number) => Math.exp(reference - logProb) - 1 - (reference - logProb);
