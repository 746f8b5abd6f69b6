import type { Feeds, TokenSource, TrainableModel, TrainingTask } from '@gpt-lineage/gpt-core';
import type * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import { batchTokens } from '../rollouts/experience.js';
import { type PromptCompletion, sequenceLength } from '../rollouts/sequence-rows.js';
import type { IterationState } from './on-policy-events.js';
import { seededOrder } from './seeded-order.js';

export interface OnPolicyBatch<Item> {
  readonly items: readonly (Item | undefined)[];
  /** Pretraining rows for PPO-ptx: `rows × length` ids and labels. */
  readonly pretraining?: { readonly tokenIds: Int32Array; readonly labels: Int32Array };
}

export interface OnPolicyOptions<Item extends PromptCompletion> {
  readonly model: TrainableModel;
  /** Samples, scores and measures one batch of episodes; a function of the iteration and the policy alone. */
  readonly collect: (iteration: number) => Promise<readonly Item[]>;
  /** Episodes that one `collect` is meant to give; what was skipped is made up by going round again. */
  readonly episodes: number;
  readonly innerEpochs: number;
  readonly length: number;
  readonly seed: number;
  /** A batch as arrays; a missing item is a row that does not count. */
  readonly feeds: (items: readonly (Item | undefined)[]) => Feeds;
  readonly loss: (
    inputs: Readonly<Record<string, tf.Tensor>>,
    seed: number | tf.Tensor,
    training: boolean,
  ) => tf.Scalar;
  /** Pretraining rows of one minibatch, and the source whose place is saved. */
  readonly pretraining?: {
    readonly rows: (rows: number) => Promise<NonNullable<OnPolicyBatch<Item>['pretraining']>>;
    readonly source: Pick<TokenSource, 'position' | 'seek'>;
  };
  /** Asked before each inner epoch but the first: `true` ends the iteration early. */
  readonly stopIteration?: (experience: readonly Item[]) => Promise<boolean>;
  /** What the iteration's updates have added up so far, for checkpoints. */
  readonly log?: { save(): IterationState; load(state: IterationState): void };
  /** State of controllers, for checkpoints. */
  readonly state?: { save(): number; load(value: number): void };
}

interface Position<Item> {
  readonly iteration: number;
  readonly cursor: number;
  readonly state: number | null;
  readonly pretraining?: TokenSource['position'];
  readonly log?: IterationState;
  /** The experience of an iteration that is under way: it cannot be sampled again from later weights. */
  readonly experience: readonly Item[] | null;
}

/**
 * Iterations of sampling and updating as a task for gpt-core's training loop. `next` samples when the last batch of
 * episodes is used up, so that the policy that samples is always the one just trained.
 */
export function onPolicyTask<Item extends PromptCompletion>(
  options: OnPolicyOptions<Item>,
): TrainingTask<OnPolicyBatch<Item>> {
  const { episodes, innerEpochs, length, seed } = options;
  let [iteration, cursor] = [-1, 0];
  let experience: readonly Item[] = [];
  let exhausted = true;
  const collect = async () => {
    iteration += 1;
    cursor = 0;
    exhausted = false;
    experience = await options.collect(iteration);
    if (experience.length === 0) {
      throw new TrainerDataError(
        'prompts',
        'a batch of which every completion was skipped',
        'give prompts that leave room for a completion, and a reward that is defined for them',
      );
    }
  };
  /** Item at a place of the iteration: each inner epoch has its own order. */
  const itemAt = (place: number): Item => {
    const order = seededOrder(experience.length, seed, iteration, Math.floor(place / episodes));
    return experience[order[(place % episodes) % experience.length]!]!;
  };
  return {
    model: options.model,
    async next(rows) {
      const atEpoch = cursor > 0 && cursor % episodes === 0;
      if (!exhausted && atEpoch && (await options.stopIteration?.(experience))) exhausted = true;
      if (exhausted) await collect();
      const items = Array.from({ length: rows }, (_, row) => itemAt(cursor + row));
      cursor += rows;
      if (cursor >= innerEpochs * episodes) exhausted = true;
      return {
        items,
        ...(options.pretraining ? { pretraining: await options.pretraining.rows(rows) } : {}),
      };
    },
    get position() {
      const state = options.state?.save() ?? null;
      const position: Position<Item> = {
        iteration,
        cursor: exhausted ? 0 : cursor,
        state,
        ...(options.pretraining ? { pretraining: options.pretraining.source.position } : {}),
        ...(options.log ? { log: options.log.save() } : {}),
        experience: exhausted ? null : experience,
      };
      return position as never;
    },
    seek(value) {
      const position = value as unknown as Position<Item>;
      iteration = position.iteration;
      cursor = position.cursor;
      experience = position.experience ?? [];
      exhausted = position.experience === null;
      if (position.pretraining !== undefined) options.pretraining?.source.seek(position.pretraining);
      if (position.log !== undefined) options.log?.load(position.log);
      if (position.state !== null) options.state?.load(position.state);
    },
    epochs: () => [{ name: 'iterations', tokens: 0, epochs: iteration + 1 }],
    micro(batch, from, to) {
      const items = Array.from({ length: to - from }, (_, row) => batch.items[from + row]);
      if (!batch.pretraining) return { items };
      const width = batch.pretraining.tokenIds.length / batch.items.length;
      return {
        items,
        pretraining: {
          tokenIds: batch.pretraining.tokenIds.slice(from * width, to * width),
          labels: batch.pretraining.labels.slice(from * width, to * width),
        },
      };
    },
    targets: (batch) => batch.items.reduce((sum, item) => sum + (item?.completionTokenIds.length ?? 0), 0),
    tokens: (batch) => batch.items.reduce((sum, item) => sum + (item ? sequenceLength(item) : 0), 0),
    feeds(batch): Feeds {
      const feeds = options.feeds(batch.items);
      if (!batch.pretraining) return feeds;
      const shape = [batch.pretraining.tokenIds.length / length, length];
      return {
        ...feeds,
        pretrainingTokenIds: { data: batch.pretraining.tokenIds, shape },
        pretrainingLabels: { data: batch.pretraining.labels, shape },
      };
    },
    loss: (inputs, step) => options.loss(inputs, step, true),
    evaluate: (inputs) => options.loss(inputs, 0, false),
    asTokens(batch) {
      const data = batchTokens(batch.items, length);
      return {
        batchSize: batch.items.length,
        length,
        tokenIds: data,
        labels: new Int32Array(data.length).fill(-100),
      };
    },
  };
}
