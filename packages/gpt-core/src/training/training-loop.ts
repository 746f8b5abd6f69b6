import * as tf from '@tensorflow/tfjs-core';
import { hash32 } from '../data/random.js';
import type { CheckpointStore } from './checkpoint-store.js';
import { DivergedError, TrainingError } from './errors.js';
import type { CheckpointEvent, EndEvent, TrainingEvent, ValidationEvent } from './events.js';
import { GradientStep } from './gradient-step.js';
import { StepGuard } from './guard.js';
import { type LearningRateOptions, learningRateSchedule, rampedRows } from './learning-rate.js';
import type { PretrainOptions } from './pretrain-options.js';
import { MachineRate, Throughput } from './throughput.js';
import type { TrainingState } from './training-state.js';
import type { Feeds, TrainingTask } from './training-task.js';
import { WeightAverage } from './weight-average.js';

/** The loop's options: all of `pretrain`'s, with validation as a function of the task. */
export interface LoopOptions extends Omit<PretrainOptions, 'validation' | 'validationBatches'> {
  /** Mean loss on held-out data; `evaluate` gives the loss of one batch. */
  validate?: (
    evaluate: (feeds: Feeds) => Promise<number>,
  ) => Promise<Pick<ValidationEvent, 'loss' | 'targets' | 'bitsPerByte' | 'metrics'>>;
  /** Steps of the whole run, always resolved here. */
  steps: number;
  /** Arithmetic of one trained token, forward and backward; for the MFU estimate. */
  flopsPerToken?: number;
  /** Settings that change the curve; compared when a run is resumed. */
  settings: TrainingState['settings'];
  /** Tokens of a full batch. */
  tokensPerStep: number;
  contextLength: number;
}

/**
 * Runs a task and tells what happens. Everything random is a function of `seed` and the step, so a run that
 * was stopped and resumed has the same curve as one that never stopped.
 */
export async function* trainingLoop<Batch>(
  task: TrainingTask<Batch>,
  options: LoopOptions,
): AsyncGenerator<TrainingEvent, void, void> {
  const { model } = task;
  const { steps, seed = 0, signal, clipNorm = 1, cluster } = options;
  const checkpoints = !cluster || cluster.index === 0 ? options.checkpoints : undefined;
  const microRows = options.microBatchSize ?? options.batchSize ?? 12;
  const fullRows = options.batchSize ?? 12;
  checkSizes(fullRows, microRows, cluster?.size ?? 1);
  const variables = trainedVariables(task, options.trainable);
  const guard = new StepGuard(options.guard === false ? {} : options.guard);
  let settings: LoopOptions['settings'] = { ...options.settings, decay: decayOf(options) };
  scheduleOf(options, decayOf(options)); // Refuses bad rates before anything is allocated.
  const average = options.emaDecay === undefined ? undefined : new WeightAverage(variables, options.emaDecay);
  const stepper = new GradientStep(task, variables, average, options);
  const progress = { step: 0, tokens: 0, updates: 0, bestLoss: null as number | null, sinceBest: 0 };
  let elapsedBefore = 0;
  const startedAt = performance.now();

  const stateNow = (): TrainingState => ({
    version: 1,
    ...progress,
    seed,
    source: task.position,
    guard: guard.state,
    elapsedMs: elapsedBefore + performance.now() - startedAt,
    settings,
  });
  const checkpoint = async (store: CheckpointStore, isBest: boolean): Promise<CheckpointEvent> => {
    const from = performance.now();
    const tensors = new Map([...(await stepper.tensors()), ...((await average?.tensors()) ?? [])]);
    const path = await store.save({ model, state: stateNow(), tensors, isBest });
    return { type: 'checkpoint', step: progress.step, path, isBest, durationMs: performance.now() - from };
  };
  const validate = async (): Promise<ValidationEvent | undefined> => {
    if (!options.validate) return undefined;
    const from = performance.now();
    const restore = average?.swapIn();
    const result = await options.validate((feeds) => stepper.evaluate(feeds)).finally(() => restore?.());
    const isBest = progress.bestLoss === null || result.loss < progress.bestLoss;
    if (isBest) progress.bestLoss = result.loss;
    progress.sinceBest = isBest ? 0 : progress.sinceBest + 1;
    return {
      type: 'validation',
      step: progress.step,
      tokens: progress.tokens,
      ...result,
      perplexity: Math.exp(result.loss),
      bestLoss: progress.bestLoss ?? result.loss,
      isBest,
      durationMs: performance.now() - from,
    };
  };
  const end = (reason: EndEvent['reason']): EndEvent => ({
    type: 'end',
    reason,
    step: progress.step,
    tokens: progress.tokens,
    ...(progress.bestLoss !== null && { bestLoss: progress.bestLoss }),
    durationMs: elapsedBefore + performance.now() - startedAt,
    epochs: task.epochs(),
  });

  /** What a run that came to its end leaves behind. */
  const finish = async (reason: EndEvent['reason']): Promise<EndEvent> => {
    if (average) {
      average.adopt();
      await checkpoints?.finish(model);
    }
    return end(reason);
  };

  try {
    let resumedFrom: string | undefined;
    const saved = options.resume ? await options.checkpoints?.latest() : undefined;
    if (saved) {
      // A longer run keeps the schedule it began with, unless told otherwise.
      if (options.decay === undefined) settings = { ...settings, decay: saved.state.settings.decay ?? null };
      requireSameSettings(saved.state.settings, settings, saved.path);
      await saved.restoreWeights(model);
      stepper.restore(saved.tensors, saved.state.updates, saved.path);
      average?.restore(saved.tensors, saved.path);
      guard.restore(saved.state.guard);
      task.seek(saved.state.source);
      const { step, tokens, updates, bestLoss, sinceBest } = saved.state;
      Object.assign(progress, { step, tokens, updates, bestLoss, sinceBest });
      elapsedBefore = saved.state.elapsedMs;
      resumedFrom = saved.path;
    }
    yield {
      type: 'start',
      step: progress.step,
      steps,
      parameters: countParameters(variables),
      tokensPerStep: options.tokensPerStep,
      ...(resumedFrom !== undefined && { resumedFrom }),
    };
    const learningRate = scheduleOf(options, Number(settings.decay));
    const throughput = new Throughput();
    const machine = options.flopsPerToken === undefined ? undefined : await MachineRate.measure();
    let savedAt = saved ? progress.step : -1;

    while (progress.step < steps) {
      if (signal?.aborted) {
        if (checkpoints && savedAt !== progress.step) yield await checkpoint(checkpoints, false);
        yield end('aborted');
        return;
      }
      const from = performance.now();
      const rows = rampedRows(
        progress.tokens,
        fullRows,
        options.contextLength,
        microRows * (cluster?.size ?? 1),
        options.batchRamp,
      );
      const batch = await task.next(rows);
      const targets = task.targets(batch);
      if (targets === 0)
        throw new TrainingError(
          `The batch of step ${progress.step + 1} has no token to train on: check the loss mask of the source.`,
        );
      // This worker's share of the rows: all of them, unless there are others.
      const [first, last] = shareOf(rows, cluster);
      for (let row = first; row < last; row += microRows) {
        const micro = task.micro(batch, row, row + microRows);
        // Every target weighs the same, however the batch was cut.
        await stepper.accumulate(
          micro,
          // The workers' sums are averaged, hence the factor.
          (task.targets(micro) / targets) * (cluster?.size ?? 1),
          hash32(seed, progress.step, row) >>> 1,
        );
      }
      const { loss, gradientNorm } = await stepper.measure();
      const verdict = options.guard === false ? undefined : guard.judge(loss, gradientNorm);
      const rate = learningRate(progress) * guard.learningRateScale;
      if (verdict) stepper.discard();
      else {
        await stepper.apply(rate, clipNorm === null ? undefined : { clipNorm, gradientNorm });
        progress.updates++;
      }
      progress.step++;
      const trained = task.tokens(batch);
      progress.tokens += trained;
      throughput.add(trained, performance.now() - from);
      if (verdict) {
        const batchPath = await checkpoints?.saveBatch(progress.step, task.asTokens(batch));
        yield {
          type: 'guard',
          step: progress.step,
          ...verdict,
          loss,
          gradientNorm,
          learningRateScale: guard.learningRateScale,
          ...(batchPath !== undefined && { batchPath }),
        };
        if (verdict.action === 'stop') {
          yield end('diverged');
          throw new DivergedError(progress.step, guard.consecutive, batchPath);
        }
      }
      const perSecond = throughput.tokensPerSecond;
      yield {
        type: 'step',
        step: progress.step,
        tokens: progress.tokens,
        loss,
        ...(task.bytesPerTarget !== undefined && { bitsPerByte: loss / Math.LN2 / task.bytesPerTarget }),
        learningRate: rate,
        gradientNorm,
        batchSize: rows,
        applied: !verdict,
        tokensPerSecond: perSecond,
        ...(machine &&
          options.flopsPerToken !== undefined && { mfu: machine.share(options.flopsPerToken * perSecond) }),
        memoryBytes: tf.memory().numBytes,
        durationMs: performance.now() - from,
        etaMs: throughput.stepMs * (steps - progress.step),
      };
      const isLast = progress.step === steps;
      const atValidation = isLast || progress.step % (options.validateEvery ?? 250) === 0;
      const validation = atValidation ? await validate() : undefined;
      if (validation) yield validation;
      if (options.sample && options.sampleEvery && (progress.step % options.sampleEvery === 0 || isLast)) {
        const restore = average?.swapIn();
        try {
          yield { type: 'sample', step: progress.step, text: await options.sample(progress.step) };
        } finally {
          restore?.();
        }
      }
      const isBest = validation?.isBest ?? false;
      const stopEarly = options.patience !== undefined && progress.sinceBest >= options.patience;
      const atCheckpoint = progress.step % (options.checkpointEvery ?? 500) === 0;
      if (checkpoints && (isLast || stopEarly || isBest || atCheckpoint)) {
        yield await checkpoint(checkpoints, isBest);
        savedAt = progress.step;
      }
      if (stopEarly) {
        yield await finish('early-stop');
        return;
      }
    }
    yield await finish('completed');
  } finally {
    stepper.dispose();
    average?.dispose();
  }
}

/** Length of the schedule: the whole run, unless it is given. */
function decayOf(options: LoopOptions): number {
  return (
    options.decay ??
    (options.scheduleUnit === 'tokens' ? options.steps * options.tokensPerStep : options.steps)
  );
}

/** The learning rate of the step after `progress`. */
function scheduleOf(
  options: LoopOptions,
  decay: number,
): (progress: { step: number; tokens: number }) => number {
  const rate: LearningRateOptions = {
    peak: options.learningRate ?? 6e-4,
    ...(options.minLearningRate !== undefined && { minimum: options.minLearningRate }),
    warmup: options.warmup ?? 0,
    shape: options.schedule ?? 'cosine',
    decay,
    ...(options.warmupStart !== undefined && { warmupStart: options.warmupStart }),
  };
  const schedule = learningRateSchedule(rate);
  return ({ step, tokens }) => schedule(options.scheduleUnit === 'tokens' ? tokens : step);
}

function checkSizes(fullRows: number, microRows: number, workers: number): void {
  for (const [field, value] of [
    ['batchSize', fullRows],
    ['microBatchSize', microRows],
  ] as const)
    if (!Number.isInteger(value) || value < 1)
      throw new TrainingError(`${field} is ${value}: give a positive whole number.`, { field });
  if (workers > 1 && fullRows % (workers * microRows) !== 0)
    throw new TrainingError(
      `batchSize is ${fullRows}: with ${workers} workers and micro-batches of ${microRows} rows give a multiple of ${workers * microRows}.`,
      { field: 'batchSize' },
    );
}

/** Rows [first, last) of a batch that this worker trains on. */
function shareOf(rows: number, cluster: PretrainOptions['cluster']): readonly [number, number] {
  if (!cluster) return [0, rows];
  const share = rows / cluster.size;
  return [cluster.index * share, (cluster.index + 1) * share];
}

function trainedVariables<Batch>(
  task: TrainingTask<Batch>,
  trainable: PretrainOptions['trainable'],
): Map<string, tf.Variable> {
  const variables = new Map<string, tf.Variable>();
  for (const [name, variable] of [...task.model.variables, ...(task.extraVariables ?? [])])
    if (!trainable || trainable(name)) variables.set(name, variable);
  if (variables.size === 0)
    throw new TrainingError('trainable accepts no variable: let it return true for at least one name.', {
      field: 'trainable',
    });
  return variables;
}

function countParameters(variables: ReadonlyMap<string, tf.Variable>): number {
  let count = 0;
  for (const variable of variables.values()) count += variable.size;
  return count;
}

/** A resumed run with another setting would silently have another curve. */
function requireSameSettings(
  saved: TrainingState['settings'],
  given: TrainingState['settings'],
  path: string,
): void {
  for (const name of new Set([...Object.keys(saved), ...Object.keys(given)])) {
    const before = JSON.stringify(saved[name]);
    const now = JSON.stringify(given[name]);
    if (before !== now)
      throw new TrainingError(
        `The run in ${path} was started with ${name} ${before ?? 'unset'}, not ${now ?? 'unset'}: resume with the same value or start a new run in another folder.`,
        { field: name },
      );
  }
}
