import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../data/errors.js';
import { IGNORE_INDEX, type TokenBatch } from '../data/token-batch.js';
import type { Feeds } from '../training/training-task.js';
import { hasChoices, type TaskExample, type TaskInputs, type TaskKind } from './task-inputs.js';
import type { TaskModel, TaskTensors } from './task-model.js';

/** A tokenised example. */
export interface EncodedExample {
  readonly sequences: readonly (readonly number[])[];
  /** Class, index of the right choice, or number to regress on. */
  readonly target: number;
  readonly truncated: boolean;
}

/** Shape that all batches of a data set share. */
export interface TaskShape {
  /** Sequences per example: the largest number of choices, 2 for similarity, else 1. */
  readonly sequencesPerExample: number;
  /** Tokens of the longest sequence. */
  readonly length: number;
}

/**
 * Tokenises labelled examples.
 *
 * @throws {DataError} naming the example whose label does not exist
 */
export function encodeExamples(model: TaskModel, examples: readonly TaskExample[]): EncodedExample[] {
  return examples.map((example, index) => {
    const { sequences, truncated } = model.sequences(example as TaskInputs[TaskKind]);
    return { sequences, truncated, target: targetOf(model, example, sequences.length, index) };
  });
}

/** Tokenises inputs that have no labels. */
export function encodeInputs(model: TaskModel, inputs: readonly TaskInputs[TaskKind][]): EncodedExample[] {
  return inputs.map((input) => ({ ...model.sequences(input), target: 0 }));
}

export function shapeOf(examples: readonly EncodedExample[]): TaskShape {
  let sequencesPerExample = 1;
  let length = 1;
  for (const { sequences } of examples) {
    sequencesPerExample = Math.max(sequencesPerExample, sequences.length);
    for (const sequence of sequences) length = Math.max(length, sequence.length);
  }
  return { sequencesPerExample, length };
}

/** The arrays of a batch; `undefined` examples are padding that does not count. */
export function taskFeeds(
  model: TaskModel,
  examples: readonly (EncodedExample | undefined)[],
  shape: TaskShape,
): Feeds {
  const { sequencesPerExample: perExample, length } = shape;
  const rows = examples.length * perExample;
  const tokenIds = new Int32Array(rows * length);
  const lmLabels = new Int32Array(rows * length).fill(IGNORE_INDEX);
  const extractAt = new Int32Array(rows);
  const regression = model.definition.regression === true;
  const labels = regression
    ? new Float32Array(examples.length)
    : new Int32Array(examples.length).fill(IGNORE_INDEX);
  const choices = hasChoices(model.definition.task) ? perExample : 1;
  const choiceBias = new Float32Array(examples.length * choices).fill(-1e9);
  examples.forEach((example, index) => {
    for (let k = 0; k < perExample; k++) {
      const row = index * perExample + k;
      const sequence = example?.sequences[k];
      // An empty row needs one token for its extract position to point at.
      extractAt[row] = row * length + (sequence ? sequence.length - 1 : 0);
      if (!sequence) continue;
      tokenIds.set(sequence, row * length);
      for (let i = 0; i + 1 < sequence.length; i++) lmLabels[row * length + i] = sequence[i + 1]!;
      if (k < choices) choiceBias[index * choices + k] = 0;
    }
    if (example) labels[index] = example.target;
  });
  return {
    tokenIds: { data: tokenIds, shape: [rows, length] },
    lmLabels: { data: lmLabels, shape: [rows, length] },
    extractAt: { data: extractAt, shape: [rows] },
    labels: { data: labels, shape: [examples.length] },
    choiceBias: { data: choiceBias, shape: [examples.length, choices] },
  };
}

/** Runs `use` with the tensors of a batch and frees them. */
export async function withTaskTensors<Result>(
  feeds: Feeds,
  use: (tensors: TaskTensors) => Promise<Result>,
): Promise<Result> {
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    ]),
  );
  try {
    return await use(tensors as unknown as TaskTensors);
  } finally {
    tf.dispose(tensors);
  }
}

/** A batch as token rows, to be kept for study. */
export function asTokenBatch(feeds: Feeds): TokenBatch {
  const [batchSize, length] = feeds.tokenIds!.shape as [number, number];
  return {
    batchSize,
    length,
    tokenIds: feeds.tokenIds!.data as Int32Array,
    labels: feeds.lmLabels!.data as Int32Array,
  };
}

function targetOf(model: TaskModel, example: TaskExample, choices: number, index: number): number {
  const { task, labels, regression } = model.definition;
  const { label } = example;
  const where = `example ${index}`;
  if (regression) {
    if (typeof label === 'number' && Number.isFinite(label)) return label;
    throw new DataError(
      `Example ${index} has the label ${JSON.stringify(label)}: a regression needs a number.`,
      { where },
    );
  }
  if (hasChoices(task)) {
    if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < choices) return label;
    throw new DataError(
      `Example ${index} has the label ${JSON.stringify(label)}: give the index of the right one of its ${choices} choices.`,
      { where },
    );
  }
  const target = labels!.indexOf(String(label));
  if (target >= 0) return target;
  throw new DataError(
    `Example ${index} has the label ${JSON.stringify(label)}: the task knows ${labels!.map((name) => JSON.stringify(name)).join(', ')}.`,
    { where },
  );
}
