import { type TrainingEvent, type TrainingTask, type TrainOptions, train } from '@gpt-lineage/gpt-core';

/** What the trainers share with gpt-core's `pretrain`: schedule, optimiser, checkpoints, guard, abort. */
export type CommonTrainerOptions = Partial<
  Pick<
    TrainOptions,
    | 'steps'
    | 'batchSize'
    | 'microBatchSize'
    | 'learningRate'
    | 'minLearningRate'
    | 'warmup'
    | 'schedule'
    | 'betas'
    | 'epsilon'
    | 'weightDecay'
    | 'clipNorm'
    | 'guard'
    | 'seed'
    | 'trainable'
    | 'learningRateScale'
    | 'emaDecay'
    | 'validateEvery'
    | 'patience'
    | 'checkpoints'
    | 'checkpointEvery'
    | 'resume'
    | 'signal'
    | 'execution'
    | 'precision'
  >
>;

/** Settings that decide a run's curve, for the comparison when it is resumed. */
type Settings = TrainOptions['settings'];

/** Runs a task; `defaults` are the paper's, `options` the caller's. */
export function runTask<Batch>(
  task: TrainingTask<Batch>,
  options: CommonTrainerOptions,
  run: {
    readonly steps: number;
    readonly batchSize: number;
    readonly length: number;
    readonly defaults: CommonTrainerOptions;
    readonly settings: Settings;
    readonly validate?: TrainOptions['validate'];
  },
): AsyncGenerator<TrainingEvent, void, void> {
  const { steps, batchSize, length, validate } = run;
  const merged = { ...run.defaults, ...options };
  return train(task, {
    ...merged,
    steps,
    batchSize,
    microBatchSize: options.microBatchSize ?? batchSize,
    tokensPerStep: batchSize * length,
    contextLength: length,
    settings: {
      ...run.settings,
      batchSize,
      learningRate: merged.learningRate ?? null,
      seed: merged.seed ?? 0,
    },
    ...(validate ? { validate } : {}),
  });
}
