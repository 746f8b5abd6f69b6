import { softmax } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { describe } from '../config/describe.js';
import { DataError } from '../data/errors.js';
import { permute } from '../data/random.js';
import type { Json } from '../data/token-batch.js';
import { readDrawn } from '../data/window-source.js';
import type { TrainingEvent } from '../training/events.js';
import type { PretrainOptions } from '../training/pretrain-options.js';
import { trainingLoop } from '../training/training-loop.js';
import type { TrainingTask } from '../training/training-task.js';
import {
  accuracy,
  f1Score,
  macroF1,
  matthewsCorrelation,
  pearsonCorrelation,
  spearmanCorrelation,
} from './metrics.js';
import {
  asTokenBatch,
  type EncodedExample,
  encodeExamples,
  encodeInputs,
  shapeOf,
  type TaskShape,
  taskFeeds,
  withTaskTensors,
} from './task-batch.js';
import { hasChoices, type TaskExample, type TaskInputs, type TaskKind } from './task-inputs.js';
import type { Prediction, TaskModel, TaskTensors } from './task-model.js';

/**
 * GPT-1's fine-tuning settings are the defaults (Improving Language Understanding by Generative Pre-Training,
 * section 4.1): learning rate 6.25e-5, batches of 32, 3 epochs, warm-up over 0.2 % of training, linear decay,
 * λ = 0.5.
 */
export interface FinetuneOptions
  extends Omit<
    PretrainOptions,
    'tokens' | 'validation' | 'validationBatches' | 'batchRamp' | 'scheduleUnit' | 'sample' | 'sampleEvery'
  > {
  /** Passes over the examples; `steps` overrides it. Default 3. */
  epochs?: number;
  /** Weight λ of the auxiliary language-modelling loss. Default 0.5. */
  lmWeight?: number;
  /** Labelled examples that are not trained on. */
  validation?: readonly TaskExample[];
}

/** Scores of a task model on labelled examples. */
export interface TaskMetrics {
  /** Mean task loss, without the language-modelling part. */
  readonly loss: number;
  readonly examples: number;
  /** Accuracy, F1 and Matthews correlation for classes; Pearson and Spearman correlation for regression. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Fine-tunes a task model on labelled examples, step by step, as `pretrain` does; validation events carry the
 * task's metrics.
 *
 * @throws {DataError} when there are no examples, or one has a label that does not exist
 */
export async function* finetune(
  model: TaskModel,
  examples: readonly TaskExample[],
  options: FinetuneOptions = {},
): AsyncGenerator<TrainingEvent, void, void> {
  if (examples.length === 0) throw new DataError('There are no examples to fine-tune on: give at least one.');
  const { epochs = 3, lmWeight = 0.5, validation, ...rest } = options;
  const encoded = encodeExamples(model, examples);
  const held = validation && encodeExamples(model, validation);
  const shape = shapeOf([...encoded, ...(held ?? [])]);
  const batchSize = options.batchSize ?? 32;
  const microBatchSize = options.microBatchSize ?? Math.min(batchSize, examples.length);
  const stepsPerEpoch = Math.ceil(encoded.length / batchSize);
  const steps = options.steps ?? epochs * stepsPerEpoch;
  const seed = options.seed ?? 0;
  yield* trainingLoop(taskOf(model, encoded, shape, lmWeight, seed), {
    learningRate: 6.25e-5,
    minLearningRate: 0,
    warmup: Math.ceil(0.002 * steps),
    schedule: 'linear',
    weightDecay: 0.01,
    betas: [0.9, 0.999],
    ...rest,
    steps,
    batchSize,
    microBatchSize,
    validateEvery: options.validateEvery ?? stepsPerEpoch,
    tokensPerStep: batchSize * shape.sequencesPerExample * shape.length,
    contextLength: shape.length,
    flopsPerToken: describe(model.config).trainingFlopsPerToken,
    settings: settingsOf(model, options, batchSize, lmWeight, examples.length),
    ...(held && { validate: async () => scoreExamples(model, held, shape, microBatchSize) }),
  });
}

/** Scores labelled examples. */
export async function evaluateTask(
  model: TaskModel,
  examples: readonly TaskExample[],
  options: { batchSize?: number } = {},
): Promise<TaskMetrics> {
  const encoded = encodeExamples(model, examples);
  const { loss, targets, metrics } = await scoreExamples(
    model,
    encoded,
    shapeOf(encoded),
    options.batchSize ?? 16,
  );
  return { loss, examples: targets, metrics };
}

/** Answers inputs, in their order. */
export async function predictTask<Kind extends TaskKind>(
  model: TaskModel,
  inputs: readonly TaskInputs[Kind][],
  options: { batchSize?: number } = {},
): Promise<Prediction[]> {
  const encoded = encodeInputs(model, inputs);
  const { task, labels, regression } = model.definition;
  const scores = await scoresOf(model, encoded, shapeOf(encoded), options.batchSize ?? 16);
  return scores.map(({ values }) => {
    if (regression) return { label: values[0]! };
    const best = values.indexOf(Math.max(...values));
    const top = values[best]!;
    const exps = values.map((value) => Math.exp(value - top));
    const total = exps.reduce((a, b) => a + b, 0);
    return {
      label: hasChoices(task) ? best : labels![best]!,
      probabilities: exps.map((value) => value / total),
    };
  });
}

interface ExampleBatch {
  readonly examples: readonly (EncodedExample | undefined)[];
}

function taskOf(
  model: TaskModel,
  encoded: readonly EncodedExample[],
  shape: TaskShape,
  lmWeight: number,
  seed: number,
): TrainingTask<ExampleBatch> {
  let drawn = 0;
  const count = encoded.length;
  const feeds = ({ examples }: ExampleBatch) => taskFeeds(model, examples, shape);
  return {
    model,
    next(rows) {
      // Every epoch in its own order; its last batch holds what is left.
      const epoch = Math.floor(drawn / count);
      const left = count - (drawn % count);
      const taken = Math.min(rows, left);
      const examples = Array.from({ length: rows }, (_, i) =>
        i < taken ? encoded[permute((drawn % count) + i, count, seed + epoch)] : undefined,
      );
      drawn += taken;
      return { examples };
    },
    get position(): Json {
      return { drawn };
    },
    seek(position) {
      drawn = readDrawn(position, 'examples');
    },
    epochs: () => [
      { name: 'examples', tokens: drawn * shape.sequencesPerExample * shape.length, epochs: drawn / count },
    ],
    micro: ({ examples }, from, to) => ({
      examples: Array.from({ length: to - from }, (_, i) => examples[from + i]),
    }),
    targets: ({ examples }) => examples.filter(Boolean).length,
    tokens: ({ examples }) => examples.length * shape.sequencesPerExample * shape.length,
    feeds,
    loss: (inputs, dropoutSeed) =>
      model.loss(inputs as unknown as TaskTensors, { training: true, seed: dropoutSeed, lmWeight }),
    evaluate: (inputs) =>
      model.loss(inputs as unknown as TaskTensors, { training: false, seed: 0, lmWeight: 0 }),
    asTokens: (batch) => asTokenBatch(feeds(batch)),
  };
}

async function scoreExamples(
  model: TaskModel,
  encoded: readonly EncodedExample[],
  shape: TaskShape,
  batchSize: number,
): Promise<{ loss: number; targets: number; metrics: Record<string, number> }> {
  const scored = await scoresOf(model, encoded, shape, batchSize);
  const expected = encoded.map(({ target }) => target);
  const loss = scored.reduce((sum, { loss: one }) => sum + one, 0) / scored.length;
  return { loss, targets: scored.length, metrics: metricsOf(model, scored, expected) };
}

function metricsOf(
  model: TaskModel,
  scored: readonly { values: readonly number[] }[],
  expected: readonly number[],
): Record<string, number> {
  if (model.definition.regression) {
    const predicted = scored.map(({ values }) => values[0]!);
    return {
      pearson: pearsonCorrelation(predicted, expected),
      spearman: spearmanCorrelation(predicted, expected),
    };
  }
  const predicted = scored.map(({ values }) => values.indexOf(Math.max(...values)));
  if (hasChoices(model.definition.task)) return { accuracy: accuracy(predicted, expected) };
  const binary = model.definition.labels!.length === 2;
  return {
    accuracy: accuracy(predicted, expected),
    f1: binary ? f1Score(predicted, expected) : macroF1(predicted, expected),
    matthews: matthewsCorrelation(predicted, expected),
  };
}

/** Scores per output and the task loss of every example. */
async function scoresOf(
  model: TaskModel,
  encoded: readonly EncodedExample[],
  shape: TaskShape,
  batchSize: number,
): Promise<{ values: number[]; loss: number }[]> {
  const all: { values: number[]; loss: number }[] = [];
  const regression = model.definition.regression === true;
  for (let from = 0; from < encoded.length; from += batchSize) {
    const part = encoded.slice(from, from + batchSize);
    await withTaskTensors(taskFeeds(model, part, shape), async (tensors) => {
      const [scores, logProbs] = tf.tidy(() => {
        const raw = model.forward(tensors, { training: false, seed: 0, lm: false }).scores;
        return [raw, regression ? tf.clone(raw) : tf.log(softmax(raw))];
      }) as [tf.Tensor2D, tf.Tensor2D];
      const rows = (await scores.array()) as number[][];
      const logs = (await logProbs.array()) as number[][];
      tf.dispose([scores, logProbs]);
      part.forEach(({ target, sequences }, i) => {
        const values = hasChoices(model.definition.task) ? rows[i]!.slice(0, sequences.length) : rows[i]!;
        const loss = regression ? (values[0]! - target) ** 2 : -logs[i]![target]!;
        all.push({ values, loss });
      });
    });
  }
  return all;
}

function settingsOf(
  model: TaskModel,
  options: FinetuneOptions,
  batchSize: number,
  lmWeight: number,
  examples: number,
): Readonly<Record<string, Json>> {
  const settings: Record<string, Json> = { task: model.definition.task, batchSize, lmWeight, examples };
  for (const name of [
    'learningRate',
    'schedule',
    'warmup',
    'weightDecay',
    'clipNorm',
    'seed',
    'emaDecay',
  ] as const) {
    const value = options[name];
    if (value !== undefined) settings[name] = value;
  }
  return settings;
}
