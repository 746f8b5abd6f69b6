import * as tf from '@tensorflow/tfjs-core';
import { describe } from '../config/describe.js';
import {
  countTargets,
  IGNORE_INDEX,
  type Json,
  sliceRows,
  type TokenBatch,
  type TokenSource,
  type ValidationSource,
} from '../data/token-batch.js';
import { TokenizerMismatchError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import { TrainingError } from './errors.js';
import type { TrainingEvent } from './events.js';
import type { PretrainOptions } from './pretrain-options.js';
import { trainingLoop } from './training-loop.js';
import type { Feeds, TrainingTask } from './training-task.js';

/**
 * Trains a model to predict the next token (Radford et al. 2018, section 3.1, eq. 1) and tells step by step
 * what happens. Nothing runs until the iterator is read; leaving the loop early frees what training holds.
 *
 * @param model whose variables are updated in place; it stays the caller's
 * @param source training batches, drawn as a function of their position
 * @throws {TrainingError} when an option, the source or a resumed run does not fit
 * @throws {TokenizerMismatchError} when the source was encoded by another tokenizer than the model's
 * @throws {DivergedError} when the guard gives up
 */
export async function* pretrain(
  model: GPT,
  source: TokenSource,
  options: PretrainOptions,
): AsyncGenerator<TrainingEvent, void, void> {
  checkSource(model, source);
  const { validation, validationBatches, adapter: _, ...rest } = options;
  const batchSize = options.batchSize ?? 12;
  const workers = options.cluster?.size ?? 1;
  const microBatchSize = options.microBatchSize ?? Math.max(1, Math.floor(batchSize / workers));
  const tokensPerStep = batchSize * source.contextLength;
  const task = languageModelTask(model, source, options);
  if (options.adapter && options.adapter.model !== model)
    throw new TrainingError(
      'The adapter is attached to another model: attach it to the one that is trained.',
      {
        field: 'adapter',
      },
    );
  yield* trainingLoop(task, {
    ...rest,
    steps: stepsOf(options, tokensPerStep),
    batchSize,
    microBatchSize,
    tokensPerStep,
    contextLength: source.contextLength,
    flopsPerToken: describe(model.config).trainingFlopsPerToken,
    settings: settingsOf(options, source, batchSize, microBatchSize),
    ...(validation && {
      validate: (evaluate: (feeds: Feeds) => Promise<number>) =>
        averageLoss(validation, microBatchSize, validationBatches, evaluate),
    }),
  });
}

/** The language-modelling objective over a source. */
function languageModelTask(
  model: GPT,
  source: TokenSource,
  { adapter, gradientCheckpointing = false }: PretrainOptions,
): TrainingTask<TokenBatch> {
  return {
    model: adapter ?? model,
    next: (rows) => source.next(rows),
    get position() {
      return source.position;
    },
    seek: (position) => source.seek(position),
    epochs: () => source.epochs(),
    micro: paddedRows,
    targets: (batch) => countTargets(batch.labels),
    tokens: (batch) => batch.batchSize * batch.length,
    feeds: (batch) => ({
      ...tokenFeeds(batch),
      ...(gradientCheckpointing && { recompute: { data: Float32Array.of(0), shape: [] } }),
    }),
    loss: (inputs, seed) => languageModelLoss(model, inputs, { training: true, seed }),
    evaluate: (inputs) => languageModelLoss(model, inputs, { training: false }),
    ...(source.bytesPerToken !== undefined && { bytesPerTarget: source.bytesPerToken }),
    asTokens: (batch) => batch,
  };
}

/** A batch as named arrays. */
export function tokenFeeds(batch: TokenBatch): Feeds {
  const shape = [batch.batchSize, batch.length];
  return {
    tokenIds: { data: batch.tokenIds, shape },
    labels: { data: batch.labels, shape },
    ...(batch.segmentIds && {
      segmentIds: { data: batch.segmentIds, shape },
      positionIds: { data: positionsOf(batch.segmentIds, batch.length), shape },
    }),
  };
}

/** Positions that restart at the first token of every segment. */
function positionsOf(segmentIds: Int32Array, length: number): Int32Array {
  const positions = new Int32Array(segmentIds.length);
  for (let i = 0; i < segmentIds.length; i++)
    positions[i] = i % length === 0 || segmentIds[i] !== segmentIds[i - 1] ? 0 : positions[i - 1]! + 1;
  return positions;
}

/** The model's loss on tensors made of `tokenFeeds`. */
export function languageModelLoss(
  model: GPT,
  inputs: Readonly<Record<string, tf.Tensor>>,
  options: { training: boolean; seed?: number | tf.Tensor },
): tf.Scalar {
  const { tokenIds, labels, segmentIds, positionIds } = inputs as Record<string, tf.Tensor2D | undefined>;
  return model.loss(tokenIds!, labels!, {
    ...options,
    labelsShifted: true,
    ignoreIndex: IGNORE_INDEX,
    ...(segmentIds && { segmentIds }),
    ...(positionIds && { positionIds }),
    ...(inputs.recompute && { recompute: inputs.recompute as tf.Scalar }),
  });
}

/** Rows [from, to) of a batch; rows beyond its end are empty and do not count. */
export function paddedRows(batch: TokenBatch, from: number, to: number): TokenBatch {
  if (to <= batch.batchSize) return sliceRows(batch, from, to);
  const part = sliceRows(batch, from, batch.batchSize);
  const size = (to - from) * batch.length;
  const padded = (values: Int32Array, fill: number) => {
    const out = new Int32Array(size).fill(fill);
    out.set(values);
    return out;
  };
  return {
    batchSize: to - from,
    length: batch.length,
    tokenIds: padded(part.tokenIds, 0),
    labels: padded(part.labels, IGNORE_INDEX),
    ...(part.segmentIds && { segmentIds: padded(part.segmentIds, 0) }),
  };
}

/** Mean loss over held-out batches, every target weighing the same. */
export async function validationLoss(
  model: GPT,
  validation: ValidationSource,
  options: { batchSize?: number; maxBatches?: number } = {},
): Promise<{ loss: number; targets: number; bitsPerByte?: number }> {
  const { batchSize = 8, maxBatches } = options;
  return averageLoss(validation, batchSize, maxBatches, async (feeds) => {
    const loss = tf.tidy(() => {
      const inputs = Object.entries(feeds).map(([name, { data, shape }]) => [
        name,
        tf.tensor(data, [...shape], 'int32'),
      ]);
      return languageModelLoss(model, Object.fromEntries(inputs), { training: false });
    });
    const [value] = await loss.data();
    loss.dispose();
    return value!;
  });
}

async function averageLoss(
  validation: ValidationSource,
  batchSize: number,
  maxBatches: number | undefined,
  evaluate: (feeds: Feeds) => Promise<number>,
): Promise<{ loss: number; targets: number; bitsPerByte?: number }> {
  let total = 0;
  let targets = 0;
  for await (const batch of validation.batches(batchSize, maxBatches)) {
    const count = countTargets(batch.labels);
    total += (await evaluate(tokenFeeds(batch))) * count;
    targets += count;
  }
  const loss = total / Math.max(1, targets);
  const { bytesPerToken } = validation;
  return {
    loss,
    targets,
    ...(bytesPerToken !== undefined && { bitsPerByte: loss / Math.LN2 / bytesPerToken }),
  };
}

function stepsOf(options: PretrainOptions, tokensPerStep: number): number {
  const steps =
    options.steps ?? (options.tokens === undefined ? undefined : Math.ceil(options.tokens / tokensPerStep));
  if (steps === undefined)
    throw new TrainingError('Neither steps nor tokens is given: say how long to train.', { field: 'steps' });
  if (!Number.isInteger(steps) || steps < 1)
    throw new TrainingError(`steps is ${steps}: give a positive whole number.`, { field: 'steps' });
  return steps;
}

function checkSource(model: GPT, source: TokenSource): void {
  const { contextLength, vocabSize } = model.config;
  if (source.contextLength > contextLength)
    throw new TrainingError(
      `The source has rows of ${source.contextLength} tokens, the model's context is ${contextLength}: build the source with contextLength ${contextLength} or less.`,
      { field: 'contextLength' },
    );
  if (source.vocabSize !== undefined && source.vocabSize > vocabSize)
    throw new TrainingError(
      `The source's tokenizer has ${source.vocabSize} tokens, the model's vocabulary ${vocabSize}: create the model with vocabSize ${source.vocabSize}.`,
      { field: 'vocabSize' },
    );
  const expected = model.tokenizer?.fingerprint;
  if (
    expected !== undefined &&
    source.tokenizerFingerprint !== undefined &&
    expected !== source.tokenizerFingerprint
  )
    throw new TokenizerMismatchError(expected, source.tokenizerFingerprint);
}

/** The options that a resumed run must share with the first: those that change the loss curve. */
function settingsOf(
  options: PretrainOptions,
  source: TokenSource,
  batchSize: number,
  microBatchSize: number,
): Readonly<Record<string, Json>> {
  const settings: Record<string, Json> = { batchSize, microBatchSize, source: source.name };
  const names = [
    'learningRate',
    'minLearningRate',
    'warmup',
    'schedule',
    'scheduleUnit',
    'warmupStart',
    'betas',
    'epsilon',
    'weightDecay',
    'decayed',
    'clipNorm',
    'seed',
    'emaDecay',
    'batchRamp',
    'precision',
  ] as const;
  for (const name of names) {
    const value = options[name];
    if (value !== undefined) settings[name] = JSON.parse(JSON.stringify(value));
  }
  return settings;
}
