import { dropout, embedding, linear, softmaxCrossEntropy } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import { hash32 } from '../data/random.js';
import { IGNORE_INDEX } from '../data/token-batch.js';
import { InvalidArgumentError, TokenizationError, TokenizerMismatchError } from '../errors.js';
import { GPT } from '../model/gpt.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';
import type { TrainableModel } from '../training/checkpoint-store.js';
import { headWeights } from './head-weights.js';
import {
  hasChoices,
  type TaskInputs,
  type TaskKind,
  type TaskTokens,
  taskKinds,
  taskSequences,
} from './task-inputs.js';

export interface TaskDefinition {
  readonly task: TaskKind;
  /** Names of the classes. Absent for tasks with choices, and for regression. */
  readonly labels?: readonly string[];
  /** Predict a number (similarity on a scale) instead of a class. Default `false`. */
  readonly regression?: boolean;
  /** Longest sequence, special tokens included. Default the model's context. */
  readonly maxLength?: number;
}

export interface CreateTaskOptions extends TaskDefinition {
  /** Seeds the head and the new embeddings. Default 0. */
  readonly seed?: number;
  /** Must be the tokenizer of pretraining. Default the model's own. */
  readonly tokenizer?: Tokenizer;
}

export interface Prediction {
  /** Name of the class, index of the choice, or the regressed number. */
  readonly label: string | number;
  /** Probability per class or choice; absent for regression. */
  readonly probabilities?: readonly number[];
}

/** Tensors of one batch of examples; every sequence padded to the same length. */
export interface TaskTensors {
  /** `[examples × choices, length]` int32 */
  readonly tokenIds: tf.Tensor2D;
  /** `[examples × choices, length]` int32, already shifted */
  readonly lmLabels: tf.Tensor2D;
  /** `[examples × choices]` int32: where the extract token stands in the flattened batch */
  readonly extractAt: tf.Tensor1D;
  /** `[examples]` int32 class, or float32 target for regression */
  readonly labels: tf.Tensor1D;
  /** `[examples, choices]` float32: 0 for choices that exist, −1e9 for padding */
  readonly choiceBias: tf.Tensor2D;
}

const CLASSIFIER_DROPOUT = 0.1;
const SPECIAL_TOKENS = 3;

/**
 * A GPT with three more tokens (start, delimiter, extract) and a linear layer on the last hidden state of the
 * extract token: fine-tuning as in Improving Language Understanding by Generative Pre-Training, section 3.2. Owns
 * its variables.
 */
export class TaskModel implements TrainableModel {
  readonly gpt: GPT;
  readonly definition: TaskDefinition;
  readonly tokens: TaskTokens;
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly #head: ReadonlyMap<string, tf.Variable>;

  private constructor(gpt: GPT, definition: TaskDefinition, head: ReadonlyMap<string, tf.Variable>) {
    const first = gpt.config.vocabSize - SPECIAL_TOKENS;
    this.gpt = gpt;
    this.definition = definition;
    this.tokens = { start: first, delimiter: first + 1, extract: first + 2 };
    this.#head = head;
    this.variables = new Map([...gpt.variables, ...head]);
  }

  /**
   * Takes a copy of a pretrained model; the original stays the caller's.
   *
   * @throws {TokenizerMismatchError} when `tokenizer` is not the one of pretraining
   * @throws {InvalidArgumentError} when the task, its labels or `maxLength` do not fit
   */
  static create(pretrained: GPT, options: CreateTaskOptions): TaskModel {
    const { seed = 0, tokenizer, ...definition } = options;
    checkDefinition(definition, pretrained.config.contextLength);
    const own = pretrained.tokenizer;
    if (own && tokenizer && own.fingerprint !== tokenizer.fingerprint)
      throw new TokenizerMismatchError(own.fingerprint, tokenizer.fingerprint);
    const used = own ?? tokenizer;
    if (!used)
      throw new TokenizationError(
        undefined,
        'The model has no tokenizer: give the one it was pretrained with.',
      );
    const gpt = extendVocabulary(pretrained, SPECIAL_TOKENS, seed, used);
    return new TaskModel(gpt, definition, headWeights(gpt.config, outputs(definition), seed));
  }

  /** @throws {CheckpointError} when the folder holds no task model */
  static async load(directory: string): Promise<TaskModel> {
    const { readTaskFiles } = await import('../node/task-files.js');
    const { definition, head } = await readTaskFiles(directory);
    const gpt = await GPT.load(directory);
    try {
      const variables = headWeights(gpt.config, outputs(definition), 0, { files: head, directory });
      return new TaskModel(gpt, definition, variables);
    } catch (error) {
      gpt.dispose();
      throw error;
    }
  }

  /** Writes the model as a Hugging Face directory, with `task.json` and `head.safetensors` beside it. */
  async save(directory: string): Promise<void> {
    const { saveTaskModel } = await import('../node/task-files.js');
    await saveTaskModel(directory, this.gpt, this.definition, this.#head);
  }

  /** Takes over the weights of a saved task model. */
  async restore(directory: string): Promise<void> {
    const saved = await TaskModel.load(directory);
    try {
      for (const [name, variable] of this.variables)
        tf.tidy(() => variable.assign(tf.clone(saved.variables.get(name)!)));
    } finally {
      saved.dispose();
    }
  }

  get config(): GPTConfig {
    return this.gpt.config;
  }

  /** Pretraining's tokenizer; fine-tuning never takes another one. */
  get tokenizer(): Tokenizer {
    return this.gpt.tokenizer!;
  }

  get maxLength(): number {
    return this.definition.maxLength ?? this.gpt.config.contextLength;
  }

  /** The token sequences of one input. */
  sequences(input: TaskInputs[TaskKind]): ReturnType<typeof taskSequences> {
    return taskSequences(this.definition.task, input, this.tokenizer, this.tokens, this.maxLength);
  }

  /**
   * Scores per class or choice (or the regressed number).
   *
   * @returns `[examples, outputs]`, and the language-modelling logits when `lm` is asked for
   */
  forward(
    batch: TaskTensors,
    options: { training: boolean; seed: number | tf.Tensor; lm: boolean },
  ): { scores: tf.Tensor2D; logits: tf.Tensor3D } {
    const { training, seed, lm } = options;
    const [sequences, length] = batch.tokenIds.shape;
    const { lastHiddenState, logits } = this.gpt.forward(batch.tokenIds, {
      training,
      seed,
      logits: lm ? 'all' : 'none',
    });
    const nEmbd = this.gpt.config.nEmbd;
    const flat = tf.reshape(lastHiddenState, [sequences * length, nEmbd]) as tf.Tensor2D;
    let features = embedding(flat, batch.extractAt) as tf.Tensor; // [sequences, nEmbd]
    const examples = batch.choiceBias.shape[0];
    // Similarity reads the pair in both orders and adds what it saw (section 3.3).
    if (this.definition.task === 'similarity')
      features = tf.sum(tf.reshape(features, [examples, 2, nEmbd]), 1);
    if (training) features = dropout(features, CLASSIFIER_DROPOUT, headSeed(seed));
    const weight = this.#head.get('head.weight')! as tf.Tensor as tf.Tensor2D;
    const bias = this.#head.get('head.bias')! as tf.Tensor as tf.Tensor1D;
    const raw = linear(features as tf.Tensor2D, weight, bias);
    const scores = hasChoices(this.definition.task)
      ? tf.add(tf.reshape(raw, batch.choiceBias.shape), batch.choiceBias)
      : raw;
    return { scores: scores as tf.Tensor2D, logits };
  }

  /**
   * `task loss + lmWeight × language-modelling loss` (eq. 5), each example weighing the same.
   */
  loss(
    batch: TaskTensors,
    options: { training: boolean; seed: number | tf.Tensor; lmWeight: number },
  ): tf.Scalar {
    const { training, seed, lmWeight } = options;
    return tf.tidy(() => {
      const { scores, logits } = this.forward(batch, { training, seed, lm: lmWeight > 0 });
      const task = this.#taskLoss(scores, batch);
      if (lmWeight === 0) return task;
      const perToken = softmaxCrossEntropy(logits, batch.lmLabels, {
        ignoreIndex: IGNORE_INDEX,
        reduction: 'none',
      });
      const counted = tf.cast(tf.notEqual(batch.lmLabels, IGNORE_INDEX), 'float32');
      const tokens = tf.sum(counted, 1);
      const perSequence = tf.div(tf.sum(perToken, 1), tf.maximum(tokens, 1));
      const real = tf.sum(tf.cast(tf.greater(tokens, 0), 'float32'));
      const lm = tf.div(tf.sum(perSequence), tf.maximum(real, 1));
      return tf.add(task, tf.mul(lm, lmWeight)) as tf.Scalar;
    });
  }

  #taskLoss(scores: tf.Tensor2D, batch: TaskTensors): tf.Scalar {
    if (!this.definition.regression)
      return softmaxCrossEntropy(scores, batch.labels, { ignoreIndex: IGNORE_INDEX });
    // Padded examples are marked in the choice bias, as regression has no label to spare.
    const real = tf.cast(tf.equal(tf.reshape(batch.choiceBias, [-1]), 0), 'float32');
    const squares = tf.mul(tf.square(tf.sub(tf.reshape(scores, [-1]), batch.labels)), real);
    return tf.div(tf.sum(squares), tf.maximum(tf.sum(real), 1)) as tf.Scalar;
  }

  dispose(): void {
    this.gpt.dispose();
    for (const variable of this.#head.values()) variable.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The same model with `count` more tokens at the end of the vocabulary, drawn like GPT-1's embeddings. */
function extendVocabulary(pretrained: GPT, count: number, seed: number, tokenizer: Tokenizer): GPT {
  const { vocabSize } = pretrained.config;
  const gpt = GPT.create({ ...pretrained.config, vocabSize: vocabSize + count }, { seed, tokenizer });
  for (const [name, variable] of gpt.variables) {
    const old = pretrained.variables.get(name)!;
    tf.tidy(() => {
      if (old.shape.join() === variable.shape.join()) variable.assign(tf.clone(old));
      // Only tensors with a row per token differ; the fresh ones keep their random start.
      else variable.assign(tf.concat([old, tf.slice(variable, [vocabSize, 0], [count, -1])], 0));
    });
  }
  return gpt;
}

function outputs(definition: TaskDefinition): number {
  return hasChoices(definition.task) || definition.regression ? 1 : definition.labels!.length;
}

function headSeed(seed: number | tf.Tensor): number | tf.Tensor {
  // Another stream than the model's own dropout sites.
  return typeof seed === 'number' ? hash32(seed, 61) >>> 1 : tf.add(seed, tf.scalar(715827883, 'int32'));
}

/** @throws {InvalidArgumentError} naming the field */
export function checkDefinition(definition: TaskDefinition, contextLength: number): void {
  const { task, labels, regression = false, maxLength } = definition;
  if (!taskKinds.includes(task))
    throw new InvalidArgumentError('task', task, `choose one of ${taskKinds.join(', ')}`);
  if (hasChoices(task)) {
    if (labels || regression)
      throw new InvalidArgumentError(
        'labels',
        labels,
        `a ${task} task is labelled with the index of the right choice`,
      );
  } else if (regression) {
    if (labels) throw new InvalidArgumentError('labels', labels, 'a regression has numbers for labels');
  } else if (!labels || labels.length < 2 || new Set(labels).size !== labels.length) {
    throw new InvalidArgumentError('labels', labels, 'name two or more different classes');
  }
  if (
    maxLength !== undefined &&
    !(Number.isInteger(maxLength) && maxLength >= 4 && maxLength <= contextLength)
  )
    throw new InvalidArgumentError('maxLength', maxLength, `give a whole number from 4 to ${contextLength}`);
}
