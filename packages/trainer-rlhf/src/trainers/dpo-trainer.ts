import type { GPT, TrainingEvent } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import { type DPOLossOptions, dpoLoss } from '../objectives/dpo-loss.js';
import { tokenLogProbsOf } from '../rollouts/completion-log-probs.js';
import {
  type PromptCompletion,
  paddedLength,
  rowFeeds,
  sequenceLength,
  sequenceRows,
} from '../rollouts/sequence-rows.js';
import { type ItemBatch, itemTask } from './item-task.js';
import { type CommonTrainerOptions, runTask } from './run.js';
import { encodeDemonstration } from './sft-trainer.js';

/** A prompt with the better and the worse of two completions. */
export interface PreferencePair {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

export interface DPOTrainerOptions extends CommonTrainerOptions, DPOLossOptions {
  /** Default 1. */
  readonly epochs?: number;
  /** The frozen reference; default: the policy as it is when training starts. */
  readonly reference?: GPT;
  readonly validation?: readonly PreferencePair[];
  /** Default the model's context. */
  readonly maxLength?: number;
}

interface EncodedPair {
  readonly chosen: PromptCompletion;
  readonly rejected: PromptCompletion;
  /** Under the reference, nats. */
  readonly referenceChosen: number;
  readonly referenceRejected: number;
}

const FILLER: PromptCompletion = { promptTokenIds: [], completionTokenIds: [0] };

/**
 * Direct preference optimisation (Rafailov et al. 2023): the policy is trained on pairs, without a reward model and
 * without sampling. Log-probabilities under the reference are computed once, before training.
 */
export class DPOTrainer {
  readonly model: GPT;
  readonly #pairs: readonly PreferencePair[];
  readonly #options: DPOTrainerOptions;

  constructor(model: GPT, pairs: readonly PreferencePair[], options: DPOTrainerOptions = {}) {
    if (pairs.length === 0) throw new TrainerDataError('pairs', '[]', 'give at least one preference pair');
    this.model = model;
    this.#pairs = pairs;
    this.#options = options;
  }

  async *train(): AsyncGenerator<TrainingEvent, void, void> {
    const {
      epochs = 1,
      reference = this.model,
      validation,
      maxLength,
      beta,
      variant,
      labelSmoothing,
      ...options
    } = this.#options;
    const objective: DPOLossOptions = {
      ...(beta === undefined ? {} : { beta }),
      ...(variant === undefined ? {} : { variant }),
      ...(labelSmoothing === undefined ? {} : { labelSmoothing }),
    };
    const items = await encodePairs(this.model, reference, this.#pairs);
    const held = validation && (await encodePairs(this.model, reference, validation));
    const length = paddedLength(
      [...items, ...(held ?? [])].flatMap((item) => [item.chosen, item.rejected]),
      maxLength ?? this.model.config.contextLength,
    );
    const batchSize = options.batchSize ?? Math.min(32, items.length);
    const task = itemTask<EncodedPair>({
      model: this.model,
      items,
      seed: options.seed ?? 0,
      feeds: (batch) => pairFeeds(batch, length),
      tokens: ({ chosen, rejected }) => sequenceLength(chosen) + sequenceLength(rejected),
      rows: ({ chosen, rejected }) =>
        [chosen, rejected].map((s) => [...s.promptTokenIds, ...s.completionTokenIds]),
      loss: (inputs, seed, training) => this.#loss(inputs, objective, { seed, training }),
    });
    const steps = options.steps ?? Math.ceil((epochs * items.length) / batchSize);
    yield* runTask(task, options, {
      steps,
      batchSize,
      length: 2 * length,
      defaults: {
        learningRate: 1e-6,
        schedule: 'linear',
        warmup: Math.ceil(steps / 10),
        weightDecay: 0,
        validateEvery: steps,
      },
      settings: { kind: 'dpo', pairs: items.length, ...objective },
      ...(held ? { validate: () => this.#validate(held, length, batchSize, objective) } : {}),
    });
  }

  #logProbs(
    inputs: Readonly<Record<string, tf.Tensor>>,
    options: { training: boolean; seed: number | tf.Tensor },
  ): tf.Tensor1D {
    const { logProbs } = tokenLogProbsOf(
      this.model,
      inputs.tokenIds as tf.Tensor2D,
      inputs.attentionMask as tf.Tensor2D,
      options,
    );
    return tf.sum(tf.mul(logProbs, inputs.completionMask!), 1) as tf.Tensor1D; // [2 × pairs]: chosen, then rejected
  }

  #result(
    inputs: Readonly<Record<string, tf.Tensor>>,
    objective: DPOLossOptions,
    options: { training: boolean; seed: number | tf.Tensor },
  ) {
    const policy = this.#logProbs(inputs, options);
    const pairs = policy.shape[0] / 2;
    return dpoLoss(
      {
        policyChosen: tf.slice(policy, 0, pairs),
        policyRejected: tf.slice(policy, pairs, pairs),
        referenceChosen: inputs.referenceChosen as tf.Tensor1D,
        referenceRejected: inputs.referenceRejected as tf.Tensor1D,
      },
      objective,
    );
  }

  #loss(
    inputs: Readonly<Record<string, tf.Tensor>>,
    objective: DPOLossOptions,
    options: { training: boolean; seed: number | tf.Tensor },
  ): tf.Scalar {
    return tf.tidy(() => {
      const { lossPerPair } = this.#result(inputs, objective, options);
      const weights = inputs.weights!;
      return tf.div(tf.sum(tf.mul(lossPerPair, weights)), tf.maximum(tf.sum(weights), 1)) as tf.Scalar;
    });
  }

  /** Loss, and the implicit rewards under the names that other libraries report. */
  async #validate(
    items: readonly EncodedPair[],
    length: number,
    batchSize: number,
    objective: DPOLossOptions,
  ) {
    const sums = { loss: 0, accuracies: 0, margins: 0, chosen: 0, rejected: 0 };
    for (let start = 0; start < items.length; start += batchSize) {
      const batch = items.slice(start, start + batchSize);
      const values = tf.tidy(() => {
        const inputs = Object.fromEntries(
          Object.entries(pairFeeds(batch, length)).map(([name, { data, shape }]) => [
            name,
            tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
          ]),
        );
        const result = this.#result(inputs, objective, { training: false, seed: 0 });
        const mean = (rewards: tf.Tensor) => tf.mean(rewards) as tf.Scalar;
        return tf.stack([
          result.loss,
          result.accuracy,
          result.margin,
          mean(result.chosenRewards),
          mean(result.rejectedRewards),
        ]);
      });
      const numbers = await values.data();
      values.dispose();
      Object.keys(sums).forEach((name, index) => {
        sums[name as keyof typeof sums] += (numbers[index]! * batch.length) / items.length;
      });
    }
    return {
      loss: sums.loss,
      targets: items.length,
      metrics: {
        'rewards/accuracies': sums.accuracies,
        'rewards/margins': sums.margins,
        'rewards/chosen': sums.chosen,
        'rewards/rejected': sums.rejected,
      },
    };
  }
}

async function encodePairs(
  model: GPT,
  reference: GPT,
  pairs: readonly PreferencePair[],
): Promise<EncodedPair[]> {
  const encoded = pairs.map(({ prompt, chosen, rejected }) => ({
    chosen: encodeDemonstration(model, { prompt, completion: chosen }),
    rejected: encodeDemonstration(model, { prompt, completion: rejected }),
  }));
  const logProbs = await sequenceLogProbsOf(
    reference,
    encoded.flatMap(({ chosen, rejected }) => [chosen, rejected]),
  );
  return encoded.map((pair, index) => ({
    ...pair,
    referenceChosen: logProbs[2 * index]!,
    referenceRejected: logProbs[2 * index + 1]!,
  }));
}

/** Σ log-probability of each completion, in batches. */
export async function sequenceLogProbsOf(
  model: GPT,
  sequences: readonly PromptCompletion[],
  batchSize = 16,
): Promise<number[]> {
  const length = paddedLength(sequences, model.config.contextLength);
  const sums: number[] = [];
  for (let start = 0; start < sequences.length; start += batchSize) {
    const rows = sequenceRows(sequences.slice(start, start + batchSize), length);
    const shape: [number, number] = [rows.rows, length];
    const result = tf.tidy(() => {
      const { logProbs } = tokenLogProbsOf(
        model,
        tf.tensor2d(rows.tokenIds, shape, 'int32'),
        tf.tensor2d(rows.attentionMask, shape, 'int32'),
      );
      return tf.sum(tf.mul(logProbs, tf.tensor2d(rows.completionMask, shape)), 1);
    });
    sums.push(...(await result.data()));
    result.dispose();
  }
  return sums;
}

function pairFeeds(batch: ItemBatch<EncodedPair>, length: number) {
  const pick = (of: (item: EncodedPair) => number) =>
    Float32Array.from(batch, (item) => (item ? of(item) : 0));
  const sequences = [
    ...batch.map((item) => item?.chosen ?? FILLER),
    ...batch.map((item) => item?.rejected ?? FILLER),
  ];
  const vector = (data: Float32Array) => ({ data, shape: [batch.length] });
  return {
    ...rowFeeds(sequenceRows(sequences, length)),
    referenceChosen: vector(pick((item) => item.referenceChosen)),
    referenceRejected: vector(pick((item) => item.referenceRejected)),
    weights: vector(pick(() => 1)),
  };
}
