import { type GPT, softmaxCrossEntropy, type TokenSource } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import { ActorCritic, VALUE_PREFIX } from '../models/actor-critic.js';
import type { ScalarHeadModel } from '../models/scalar-head.js';
import { generalizedAdvantage } from '../objectives/generalized-advantage.js';
import {
  AdaptiveKLController,
  FixedKLController,
  type KLController,
  type KLEstimator,
} from '../objectives/kl.js';
import { ppoLoss, ppoPtxLoss } from '../objectives/ppo-loss.js';
import { tokenRewards } from '../objectives/token-rewards.js';
import { tokenLogProbsOf } from '../rollouts/completion-log-probs.js';
import type { Experience } from '../rollouts/experience.js';
import { completionParts } from '../rollouts/experience.js';
import { beforeToken, Measurements } from '../rollouts/measure.js';
import {
  guardedRewards,
  type RewardFunction,
  type RewardGuard,
  type Rollout,
  type RolloutPrompt,
} from '../rollouts/rollout.js';
import { localSampler, type RolloutSampler } from '../rollouts/sampler.js';
import { sequenceRows } from '../rollouts/sequence-rows.js';
import { mean } from './mean.js';
import {
  completionMetrics,
  IterationLog,
  type OnPolicyEvent,
  samplingDifference,
} from './on-policy-events.js';
import { onPolicyTask } from './on-policy-task.js';
import { promptBatch, rowLengthFor } from './prompt-batch.js';
import { type CommonTrainerOptions, runTask } from './run.js';
import type { UpdateStatistics } from './update-statistics.js';

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

const STATISTICS = [
  'loss/policy_avg',
  'loss/value_avg',
  'policy/approxkl_avg',
  'policy/clipfrac_avg',
  'val/clipfrac_avg',
  'val/ratio',
  'val/ratio_var',
  'loss/pretraining_avg',
] as const;

/**
 * PPO and PPO-ptx, step 3 of InstructGPT (Ouyang et al. 2022, §3.5, appendix C.4): per-token KL to the reference, the
 * score on the last token, generalised advantages, clipped policy and value losses, constant learning rate after a
 * 10-iteration warm-up, weight average, and pretraining gradients.
 */
export class PPOTrainer {
  readonly options: PPOTrainerOptions;
  readonly controller: KLController;
  readonly model: ActorCritic;

  constructor(options: PPOTrainerOptions) {
    if (options.prompts.length === 0) throw new TrainerDataError('prompts', '[]', 'give at least one prompt');
    this.options = options;
    this.controller = typeof options.kl === 'object' ? options.kl : new FixedKLController(options.kl ?? 0.02);
    this.model = new ActorCritic(options.policy, options.value);
  }

  async *train(): AsyncGenerator<OnPolicyEvent, void, void> {
    const { options, controller } = this;
    const { episodes = 32, innerEpochs = 1, iterations, seed = 0 } = options;
    const minibatch = options.minibatch ?? episodes;
    if (episodes % minibatch !== 0) {
      throw new TrainerDataError('minibatch', minibatch, `give a divisor of episodes (${episodes})`);
    }
    const length = this.rowLength;
    const stepsPerIteration = (innerEpochs * episodes) / minibatch;
    const steps = options.steps ?? iterations * stepsPerIteration;
    const { pretraining, targetKL, valueLearningRate, learningRate = 1e-5 } = options;
    const measurements = new Measurements(length, {
      temperature: options.temperature,
      frozen: [options.reference],
    });
    const log = new IterationLog(STATISTICS, stepsPerIteration);
    const task = onPolicyTask({
      model: this.model,
      collect: (iteration) => this.#collect(iteration, episodes, measurements, log, seed),
      episodes,
      innerEpochs,
      length,
      seed,
      loss: (inputs, step, training) => this.#loss(inputs, step, training, log.statistics),
      log,
      ...(pretraining
        ? {
            pretraining: {
              rows: (rows: number) => this.#pretrainingRows(pretraining, rows, length),
              source: pretraining.source,
            },
          }
        : {}),
      ...(targetKL === undefined
        ? {}
        : {
            stopIteration: async (items: readonly Experience[]) =>
              (await this.#drift(items, measurements)) > targetKL,
          }),
      ...(controller instanceof AdaptiveKLController
        ? {
            state: {
              save: () => controller.coefficient,
              load: (value: number) => {
                controller.coefficient = value;
              },
            },
          }
        : {}),
    });
    const events = runTask(task, options, {
      steps,
      batchSize: minibatch,
      length,
      defaults: {
        learningRate,
        minLearningRate: learningRate,
        schedule: 'constant',
        warmup: Math.min(10 * stepsPerIteration, Math.floor(steps / 10)),
        betas: [0.9, 0.95],
        weightDecay: 0,
        checkpointEvery: 10 * stepsPerIteration,
        ...(valueLearningRate === undefined
          ? {}
          : {
              learningRateScale: (name: string) =>
                name.startsWith(VALUE_PREFIX) ? valueLearningRate / learningRate : 1,
            }),
      },
      settings: {
        kind: 'ppo',
        episodes,
        innerEpochs,
        maxTokens: options.maxTokens,
        prompts: options.prompts.length,
      },
    });
    try {
      yield* log.interleave(events);
    } finally {
      measurements.dispose();
      log.dispose();
    }
  }

  /** Tokens of an episode's row: the context length that a pretraining source must have. */
  get rowLength(): number {
    const { policy, prompts, maxTokens } = this.options;
    return rowLengthFor(policy, prompts, maxTokens);
  }

  /** Samples one batch of episodes and turns rewards into advantages. */
  async #collect(
    iteration: number,
    episodes: number,
    measurements: Measurements,
    log: IterationLog<(typeof STATISTICS)[number]>,
    seed: number,
  ): Promise<Experience[]> {
    const {
      policy,
      reference,
      value,
      prompts,
      reward,
      maxTokens,
      temperature = 1,
      missingEndPenalty = 0,
    } = this.options;
    const sampler = this.options.sampler ?? localSampler(policy);
    await sampler.update?.(policy, iteration);
    const sampled = await sampler.sample(promptBatch(prompts, episodes, iteration, seed), {
      n: 1,
      maxTokens,
      temperature,
      seed: seed * 1_000_003 + iteration,
    });
    const given = await guardedRewards(sampled.rollouts, reward, this.options);
    const kept: { rollout: Rollout; score: number }[] = [];
    sampled.rollouts.forEach((rollout, index) => {
      const score = given[index];
      if (score === undefined) return;
      kept.push({ rollout, score: score - (rollout.endedByItself ? 0 : missingEndPenalty) });
    });
    if (kept.length === 0) return [];
    const sequences = kept.map((entry) => entry.rollout);
    const { logProbs, entropies } = await measurements.logProbs(policy, sequences);
    const { logProbs: referenceLogProbs } = await measurements.logProbs(reference, sequences);
    const values = await measurements.values(value, sequences);
    const scores = kept.map((entry) => entry.score);
    const { advantages, returns } = await this.#advantages(
      sequences,
      { logProbs, referenceLogProbs, values, scores },
      this.rowLength,
    );

    const klPerSequence = logProbs.map((row, index) =>
      row.reduce((sum, p, t) => sum + p - referenceLogProbs[index]![t]!, 0),
    );
    const kl = mean(klPerSequence);
    const beta = this.controller.coefficient;
    this.controller.update(kl, kept.length);
    log.sampled({
      type: 'rollout',
      iteration,
      skipped: sampled.skipped + sampled.rollouts.length - kept.length,
      metrics: {
        'objective/kl': kl,
        'objective/entropy': mean(entropies.map((row) => row.reduce((sum, entropy) => sum + entropy, 0))),
        'objective/non_score_reward': -beta * kl,
        'objective/rlhf_reward': mean(scores) - beta * kl,
        'objective/scores': mean(scores),
        'objective/kl_coefficient': beta,
        'policy/entropy_avg': mean(entropies.flat()),
        'val/num_eos_tokens': sequences.filter((rollout) => rollout.endedByItself).length,
        ...completionMetrics(sequences),
        ...samplingDifference(sequences, temperature === 1 ? logProbs : []),
        eps: episodes,
        episode: (iteration + 1) * episodes,
        'value/mean': mean(values.flat()),
      },
      samples: kept.slice(0, 4).map(({ rollout, score }) => ({
        prompt: rollout.prompt,
        completion: rollout.completion,
        reward: score,
      })),
    });
    return sequences.map(
      ({ promptTokenIds, completionTokenIds }, index): Experience => ({
        promptTokenIds,
        completionTokenIds,
        oldLogProbs: logProbs[index]!,
        oldValues: values[index]!,
        advantages: advantages[index]!,
        returns: returns[index]!,
      }),
    );
  }

  async #advantages(
    sequences: readonly Rollout[],
    measured: { logProbs: number[][]; referenceLogProbs: number[][]; values: number[][]; scores: number[] },
    length: number,
  ): Promise<{ advantages: number[][]; returns: number[][] }> {
    const { gamma = 1, lambda = 0.95, whitenAdvantages = true, klEstimator = 'k1' } = this.options;
    const rows = sequenceRows(sequences, length);
    const shape: [number, number] = [sequences.length, length];
    const spread = (lists: readonly (readonly number[])[]) => {
      const data = new Float32Array(sequences.length * length);
      lists.forEach((list, row) => {
        data.set(list, row * length + sequences[row]!.promptTokenIds.length);
      });
      return tf.tensor2d(data, shape);
    };
    const result = tf.tidy(() => {
      const mask = tf.tensor2d(rows.completionMask, shape);
      const rewards = tokenRewards(
        {
          logProbs: spread(measured.logProbs),
          referenceLogProbs: spread(measured.referenceLogProbs),
          scores: tf.tensor1d(measured.scores),
          mask,
        },
        { klCoefficient: this.controller.coefficient, estimator: klEstimator },
      );
      return generalizedAdvantage(
        { rewards, values: spread(measured.values), mask },
        { gamma, lambda, whiten: whitenAdvantages },
      );
    });
    const [advantages, returns] = [await result.advantages.data(), await result.returns.data()];
    tf.dispose([result.advantages, result.returns]);
    return {
      advantages: completionParts(advantages, sequences, length),
      returns: completionParts(returns, sequences, length),
    };
  }

  #loss(
    inputs: Readonly<Record<string, tf.Tensor>>,
    seed: number | tf.Tensor,
    training: boolean,
    statistics: UpdateStatistics<(typeof STATISTICS)[number]>,
  ): tf.Scalar {
    const {
      policy,
      value,
      clipRange,
      clipRangeValue,
      valueCoefficient,
      ratioThreshold = 10,
      pretraining,
      temperature = 1,
    } = this.options;
    return tf.tidy(() => {
      const tokenIds = inputs.tokenIds as tf.Tensor2D;
      const attentionMask = inputs.attentionMask as tf.Tensor2D;
      const mask = inputs.completionMask as tf.Tensor2D;
      const { logProbs } = tokenLogProbsOf(policy, tokenIds, attentionMask, { training, seed, temperature });
      const values = beforeToken(value.values({ tokenIds, attentionMask }, { training, seed }));
      const parts = ppoLoss(
        {
          logProbs,
          oldLogProbs: inputs.oldLogProbs as tf.Tensor2D,
          advantages: inputs.advantages as tf.Tensor2D,
          mask,
          values,
          oldValues: inputs.oldValues as tf.Tensor2D,
          returns: inputs.returns as tf.Tensor2D,
        },
        {
          ...(clipRange === undefined ? {} : { clipRange }),
          ...(clipRangeValue === undefined ? {} : { clipRangeValue }),
          ...(valueCoefficient === undefined ? {} : { valueCoefficient }),
        },
      );
      // tf.step, unlike a comparison, may stand in a differentiated function: its gradient is zero.
      const runaway = tf.step(tf.sub(parts.ratio, ratioThreshold));
      const guarded = tf.mul(parts.loss, tf.sub(1, runaway)) as tf.Scalar;
      let [loss, languageModelLoss]: tf.Scalar[] = [guarded, tf.scalar(0)];
      if (pretraining) {
        const { logits } = policy.forward(inputs.pretrainingTokenIds as tf.Tensor2D, { training, seed });
        languageModelLoss = softmaxCrossEntropy(logits, inputs.pretrainingLabels as tf.Tensor2D) as tf.Scalar;
        loss = ppoPtxLoss(guarded, languageModelLoss, pretraining.coefficient);
      }
      statistics.add({
        'loss/policy_avg': parts.policyLoss,
        'loss/value_avg': parts.valueLoss,
        'policy/approxkl_avg': parts.approxKL,
        'policy/clipfrac_avg': parts.clipFraction,
        'val/clipfrac_avg': parts.valueClipFraction,
        'val/ratio': parts.ratio,
        'val/ratio_var': parts.ratioVariance,
        'loss/pretraining_avg': languageModelLoss!,
      });
      return loss!;
    });
  }

  async #pretrainingRows(
    { source, rowsPerEpisode = 1 }: NonNullable<PPOTrainerOptions['pretraining']>,
    rows: number,
    length: number,
  ): Promise<{ tokenIds: Int32Array; labels: Int32Array }> {
    const batch = await source.next(rows * rowsPerEpisode);
    if (batch.length !== length) {
      throw new TrainerDataError(
        'pretraining.source.contextLength',
        batch.length,
        `make it ${length}, the length of the episodes' rows (PPOTrainer.rowLength)`,
      );
    }
    return { tokenIds: batch.tokenIds, labels: batch.labels };
  }

  /** How far the policy has moved from the one that sampled: mean of (Δ log-probability)² / 2. */
  async #drift(items: readonly Experience[], measurements: Measurements): Promise<number> {
    const { logProbs } = await measurements.logProbs(this.options.policy, items);
    return mean(
      logProbs.flatMap((row, index) => row.map((p, t) => (p - items[index]!.oldLogProbs[t]!) ** 2 / 2)),
    );
  }
}
