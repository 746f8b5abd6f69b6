import type { GPT, TrainingEvent } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import type { ScalarHeadModel } from '../models/scalar-head.js';
import { rewardModelLoss } from '../objectives/reward-model-loss.js';
import {
  type PromptCompletion,
  paddedLength,
  rowFeeds,
  sequenceLength,
  sequenceRows,
} from '../rollouts/sequence-rows.js';
import { type ItemBatch, itemTask } from './item-task.js';
import { mean } from './mean.js';
import { type CommonTrainerOptions, runTask } from './run.js';
import { encodeDemonstration } from './sft-trainer.js';

/** K completions of one prompt in a labeller's order. Equal ranks are a tie. */
export interface Ranking {
  readonly prompt: string;
  readonly completions: readonly string[];
  /** One per completion, 0 = best. Default: the order of `completions`. */
  readonly ranks?: readonly number[];
}

/** The pairwise special case. */
export const preference = (prompt: string, chosen: string, rejected: string): Ranking => ({
  prompt,
  completions: [chosen, rejected],
});

export interface RewardTrainerOptions extends CommonTrainerOptions {
  /** Passes over the rankings. Default 1: more overfits (appendix C.2). */
  readonly epochs?: number;
  readonly validation?: readonly Ranking[];
  /** Default the model's context. */
  readonly maxLength?: number;
  /** Demonstrations whose mean reward becomes 0 at the end. */
  readonly centerOn?: readonly { readonly prompt: string; readonly completion: string }[];
}

interface EncodedRanking {
  readonly sequences: readonly PromptCompletion[];
  readonly ranks: readonly number[];
}

/** How well a reward model orders held-out rankings. */
export interface RewardMetrics {
  readonly loss: number;
  /** Share of pairs in the labeller's order. */
  readonly accuracy: number;
  /** Mean reward difference of the pairs. */
  readonly margin: number;
  readonly pairs: number;
  /** Of all completions. */
  readonly minReward: number;
  readonly meanReward: number;
  readonly maxReward: number;
  /** Pairs by the model's confidence σ(difference): how often the model is right at each level. */
  readonly calibration: readonly {
    readonly confidence: number;
    readonly accuracy: number;
    readonly count: number;
  }[];
}

/**
 * Reward model, step 2 of InstructGPT (§3.5, appendix C.2): all pairs of a K-way ranking as one batch element, ties
 * dropped, one epoch, learning rate 9e-6 with cosine decay to a tenth, 64 prompts a batch.
 */
export class RewardTrainer {
  readonly model: ScalarHeadModel;
  readonly #rankings: readonly Ranking[];
  readonly #options: RewardTrainerOptions;

  constructor(model: ScalarHeadModel, rankings: readonly Ranking[], options: RewardTrainerOptions = {}) {
    if (rankings.length === 0) throw new TrainerDataError('rankings', '[]', 'give at least one ranking');
    this.model = model;
    this.#rankings = rankings;
    this.#options = options;
  }

  async *train(): AsyncGenerator<TrainingEvent, void, void> {
    const {
      epochs = 1,
      validation,
      maxLength = this.model.config.contextLength,
      centerOn,
      ...options
    } = this.#options;
    const items = this.#rankings.map((ranking, index) => encodeRanking(this.model.gpt, ranking, index));
    const length = paddedLength(
      items.flatMap((item) => item.sequences),
      maxLength,
    );
    const batchSize = options.batchSize ?? Math.min(64, items.length);
    const completions = Math.max(...items.map((item) => item.sequences.length));
    const task = itemTask<EncodedRanking>({
      model: this.model,
      items,
      seed: options.seed ?? 0,
      feeds: (batch) => rankingFeeds(batch, completions, length),
      targets: (item) => Number(hasPair(item.ranks)),
      tokens: (item) => item.sequences.reduce((sum, sequence) => sum + sequenceLength(sequence), 0),
      rows: (item) => item.sequences.map((s) => [...s.promptTokenIds, ...s.completionTokenIds]),
      loss: (inputs, seed, training) => this.#loss(inputs, completions, { seed, training }),
    });
    const steps = options.steps ?? Math.ceil((epochs * items.length) / batchSize);
    yield* runTask(task, options, {
      steps,
      batchSize,
      length: completions * length,
      defaults: {
        learningRate: 9e-6,
        schedule: 'cosine',
        betas: [0.9, 0.95],
        weightDecay: 0,
        validateEvery: steps,
      },
      settings: { kind: 'reward-model', rankings: items.length },
      ...(validation
        ? {
            validate: async () => {
              const { loss, accuracy, margin, pairs, ...rewards } = await this.evaluate(validation);
              const { minReward, meanReward, maxReward } = rewards;
              const spread = { min_reward: minReward, mean_reward: meanReward, max_reward: maxReward };
              return { loss, targets: pairs, metrics: { accuracy, margin, ...spread } };
            },
          }
        : {}),
    });
    if (centerOn && centerOn.length > 0) await this.center(centerOn);
  }

  /** Shifts the rewards so that these demonstrations score 0 on average. */
  async center(
    demonstrations: readonly { readonly prompt: string; readonly completion: string }[],
  ): Promise<void> {
    const rewards = await this.rewards(demonstrations);
    this.model.shift(-rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length);
  }

  /** Reward of each prompt with its completion. */
  rewards(pairs: readonly { readonly prompt: string; readonly completion: string }[]): Promise<number[]> {
    return scoreSequences(
      this.model,
      pairs.map((pair) => encodeDemonstration(this.model.gpt, pair)),
    );
  }

  /** Scores held-out rankings. */
  async evaluate(rankings: readonly Ranking[]): Promise<RewardMetrics> {
    const items = rankings.map((ranking, index) => encodeRanking(this.model.gpt, ranking, index));
    const flat = await scoreSequences(
      this.model,
      items.flatMap((item) => item.sequences),
    );
    const differences: number[] = [];
    let [at, loss, prompts] = [0, 0, 0];
    for (const { ranks } of items) {
      const own: number[] = [];
      for (let i = 0; i < ranks.length; i++) {
        for (let j = 0; j < ranks.length; j++) {
          if (ranks[i]! < ranks[j]!) own.push(flat[at + i]! - flat[at + j]!);
        }
      }
      at += ranks.length;
      if (own.length === 0) continue;
      prompts += 1;
      loss +=
        own.reduce((sum, d) => sum + Math.log1p(Math.exp(-Math.abs(d))) + Math.max(-d, 0), 0) / own.length;
      differences.push(...own);
    }
    const count = Math.max(1, differences.length);
    return {
      loss: loss / Math.max(1, prompts),
      accuracy: differences.filter((difference) => difference > 0).length / count,
      margin: differences.reduce((sum, difference) => sum + difference, 0) / count,
      pairs: differences.length,
      minReward: flat.reduce((low, reward) => Math.min(low, reward), Number.POSITIVE_INFINITY),
      meanReward: mean(flat),
      maxReward: flat.reduce((top, reward) => Math.max(top, reward), Number.NEGATIVE_INFINITY),
      calibration: calibrationOf(differences),
    };
  }

  #loss(
    inputs: Readonly<Record<string, tf.Tensor>>,
    completions: number,
    options: { training: boolean; seed: number | tf.Tensor },
  ): tf.Scalar {
    return tf.tidy(() => {
      const sequences = {
        tokenIds: inputs.tokenIds as tf.Tensor2D,
        attentionMask: inputs.attentionMask as tf.Tensor2D,
        completionMask: inputs.completionMask as tf.Tensor2D,
      };
      const flat = this.model.rewards(sequences, options);
      const prompts = flat.shape[0] / completions;
      const rewards = tf.reshape(flat, [prompts, completions]) as tf.Tensor2D;
      return rewardModelLoss(rewards, inputs.ranks as tf.Tensor2D).loss;
    });
  }
}

/** Rewards of sequences, in batches of 16 of like length. */
export async function scoreSequences(
  model: ScalarHeadModel,
  sequences: readonly PromptCompletion[],
  batchSize = 16,
): Promise<number[]> {
  const rewards: number[] = [];
  const order = [...sequences.keys()].sort(
    (a, b) => sequenceLength(sequences[a]!) - sequenceLength(sequences[b]!),
  );
  for (let start = 0; start < order.length; start += batchSize) {
    const indices = order.slice(start, start + batchSize);
    const batch = indices.map((index) => sequences[index]!);
    const length = paddedLength(batch, model.config.contextLength);
    const rows = sequenceRows(batch, length);
    const result = tf.tidy(() =>
      model.rewards({
        tokenIds: tf.tensor2d(rows.tokenIds, [rows.rows, length], 'int32'),
        attentionMask: tf.tensor2d(rows.attentionMask, [rows.rows, length], 'int32'),
        completionMask: tf.tensor2d(rows.completionMask, [rows.rows, length]),
      }),
    );
    const values = await result.data();
    indices.forEach((index, row) => {
      rewards[index] = values[row]!;
    });
    result.dispose();
  }
  return rewards;
}

function encodeRanking(model: GPT, { prompt, completions, ranks }: Ranking, index: number): EncodedRanking {
  if (completions.length < 2) {
    throw new TrainerDataError(
      `rankings[${index}].completions`,
      completions.length,
      'give at least two to compare',
    );
  }
  if (ranks && ranks.length !== completions.length) {
    throw new TrainerDataError(
      `rankings[${index}].ranks`,
      ranks.length,
      `give one per completion (${completions.length})`,
    );
  }
  return {
    sequences: completions.map((completion) => encodeDemonstration(model, { prompt, completion })),
    ranks: ranks ?? completions.map((_, rank) => rank),
  };
}

const hasPair = (ranks: readonly number[]) => new Set(ranks.filter((rank) => rank >= 0)).size > 1;

const FILLER: PromptCompletion = { promptTokenIds: [], completionTokenIds: [0] };

function rankingFeeds(batch: ItemBatch<EncodedRanking>, completions: number, length: number) {
  const ranks = new Int32Array(batch.length * completions).fill(-1); // −1: no such completion
  const sequences = batch.flatMap((item, row) =>
    Array.from({ length: completions }, (_, column) => {
      const rank = item?.ranks[column];
      if (rank !== undefined) ranks[row * completions + column] = rank;
      return item?.sequences[column] ?? FILLER;
    }),
  );
  return {
    ...rowFeeds(sequenceRows(sequences, length)),
    ranks: { data: ranks, shape: [batch.length, completions] },
  };
}

function calibrationOf(differences: readonly number[], bins = 5): RewardMetrics['calibration'] {
  // Confidence in the order the model prefers: from 1/2 to 1.
  const sums = Array.from({ length: bins }, () => ({ confidence: 0, right: 0, count: 0 }));
  for (const difference of differences) {
    const confidence = 1 / (1 + Math.exp(-Math.abs(difference)));
    const bin = sums[Math.min(bins - 1, Math.floor((confidence - 0.5) * 2 * bins))]!;
    bin.confidence += confidence;
    bin.right += Number(difference > 0);
    bin.count += 1;
  }
  return sums
    .filter((bin) => bin.count > 0)
    .map(({ confidence, right, count }) => ({
      confidence: confidence / count,
      accuracy: right / count,
      count,
    }));
}
