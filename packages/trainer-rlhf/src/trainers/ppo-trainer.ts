import type { Feeds } from '@gpt-lineage/gpt-core';
import { TrainerDataError } from '../errors.js';
import { ActorCritic, VALUE_PREFIX } from '../models/actor-critic.js';
import { AdaptiveKLController, FixedKLController, type KLController } from '../objectives/kl.js';
import { type CompletionColumns, columnsOf } from '../rollouts/completion-columns.js';
import {
  type Experience,
  experienceFeeds,
  type ScoredCompletion,
  scoredFeeds,
} from '../rollouts/experience.js';
import { Measurements } from '../rollouts/measure.js';
import { mean } from './mean.js';
import { IterationLog, type OnPolicyEvent } from './on-policy-events.js';
import { onPolicyTask } from './on-policy-task.js';
import { sampleEpisodes } from './ppo-episodes.js';
import { ppoExperience } from './ppo-experience.js';
import { PPO_STATISTICS, type PPOStatistic, ppoObjective } from './ppo-objective.js';
import type { PPOTrainerOptions } from './ppo-options.js';
import { meanKL, ppoRolloutEvent } from './ppo-rollout-event.js';
import { isSingleUpdate } from './ppo-single-update.js';
import { columnsFor } from './prompt-batch.js';
import { runTask } from './run.js';
import { type Measured, StepMeasurements } from './step-measurements.js';

export type { PPOTrainerOptions } from './ppo-options.js';

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
    const { policy, reference, prompts, maxTokens, temperature } = options;
    const columns = columnsFor(policy, prompts, maxTokens);
    const { length } = columns;
    const stepsPerIteration = (innerEpochs * episodes) / minibatch;
    const steps = options.steps ?? iterations * stepsPerIteration;
    const { pretraining, targetKL, valueLearningRate, learningRate = 1e-5 } = options;
    const measurements = new Measurements(columns, { temperature, frozen: [reference] });
    const step = isSingleUpdate(options, columns) ? new StepMeasurements(episodes, columns) : undefined;
    const log = new IterationLog(PPO_STATISTICS, stepsPerIteration);
    const task = onPolicyTask<Experience | ScoredCompletion>({
      model: this.model,
      collect: (iteration) => this.#collect(iteration, episodes, columns, measurements, log, step),
      episodes,
      innerEpochs,
      length,
      seed,
      feeds: (items) => this.#feeds(items, columns, step),
      loss: (inputs, seed, training) =>
        ppoObjective(options, inputs, { training, seed }, { statistics: log.statistics, step }),
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
            stopIteration: async (items: readonly (Experience | ScoredCompletion)[]) =>
              (await this.#drift(items as readonly Experience[], measurements)) > targetKL,
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
      step?.dispose();
      log.dispose();
    }
  }

  /** Tokens of an episode's row: the context length that a pretraining source must have. */
  get rowLength(): number {
    const { policy, prompts, maxTokens } = this.options;
    return columnsFor(policy, prompts, maxTokens).length;
  }

  /** Samples one batch of episodes; measures them unless the update does that itself. */
  async #collect(
    iteration: number,
    episodes: number,
    columns: CompletionColumns,
    measurements: Measurements,
    log: IterationLog<PPOStatistic>,
    step: StepMeasurements | undefined,
  ): Promise<(Experience | ScoredCompletion)[]> {
    const { options, controller } = this;
    const { policy, reference, value, temperature = 1 } = options;
    const { rollouts, scores, skipped } = await sampleEpisodes(options, iteration, episodes);
    if (rollouts.length === 0) return [];
    const referenceLogProbs = await measurements.logProbs(reference, rollouts);
    const { coefficient: klCoefficient } = controller;
    const sampled = { iteration, episodes, rollouts, scores, skipped, referenceLogProbs, klCoefficient };
    const event = (measured: Measured) => {
      controller.update(meanKL(measured.logProbs, referenceLogProbs), rollouts.length);
      return ppoRolloutEvent(sampled, measured, temperature);
    };
    // What was skipped is made up by other episodes twice, which must not count twice in advantages.
    if (step && rollouts.length === episodes && columnsOf(rollouts, columns).first === columns.first) {
      const items = rollouts.map(({ promptTokenIds, completionTokenIds }, index) => ({
        promptTokenIds,
        completionTokenIds,
        score: scores[index]!,
        referenceLogProbs: referenceLogProbs[index]!,
      }));
      log.sampledLater(async () => event(await step.read(items)));
      return items;
    }
    const values = await measurements.values(value, rollouts);
    const measured = { ...(await measurements.predictions(policy, rollouts)), values };
    const experience = await ppoExperience(options, sampled, measured, columns);
    log.sampled(event(measured));
    return experience;
  }

  #feeds(
    items: readonly (Experience | ScoredCompletion | undefined)[],
    columns: CompletionColumns,
    step: StepMeasurements | undefined,
  ): Feeds {
    const scored = items.filter((item) => item !== undefined && 'score' in item) as ScoredCompletion[];
    if (scored.length === 0) return experienceFeeds(items as readonly (Experience | undefined)[], columns);
    step!.expect(scored);
    const klCoefficient = { data: Float32Array.of(this.controller.coefficient), shape: [1] };
    return { ...scoredFeeds(scored, columns), klCoefficient };
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
    const logProbs = await measurements.logProbs(this.options.policy, items);
    return mean(
      logProbs.flatMap((row, index) => row.map((p, t) => (p - items[index]!.oldLogProbs[t]!) ** 2 / 2)),
    );
  }
}
