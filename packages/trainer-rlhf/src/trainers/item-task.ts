import type { Feeds, TrainableModel, TrainingTask } from '@gpt-lineage/gpt-core';
import type * as tf from '@tensorflow/tfjs-core';
import { TrainerDataError } from '../errors.js';
import { seededOrder } from './seeded-order.js';

/** A batch of items; `undefined` fills a short micro-batch and counts for nothing. */
export type ItemBatch<Item> = readonly (Item | undefined)[];

export interface ItemTaskOptions<Item> {
  readonly model: TrainableModel;
  readonly items: readonly Item[];
  readonly seed: number;
  /** Arrays of a batch, with the same names and shapes for every batch of the same number of rows. */
  readonly feeds: (batch: ItemBatch<Item>) => Feeds;
  /** What an item weighs in the mean, default 1. */
  readonly targets?: (item: Item) => number;
  readonly tokens: (item: Item) => number;
  readonly loss: (
    inputs: Readonly<Record<string, tf.Tensor>>,
    seed: number | tf.Tensor,
    training: boolean,
  ) => tf.Scalar;
  /** Token rows of an item, kept when it makes training fail. */
  readonly rows: (item: Item) => readonly (readonly number[])[];
}

/** Items drawn epoch by epoch, each epoch in an order of its own, as a task for gpt-core's training loop. */
export function itemTask<Item>(options: ItemTaskOptions<Item>): TrainingTask<ItemBatch<Item>> {
  const { items, seed, targets = () => 1 } = options;
  if (items.length === 0) throw new TrainerDataError('items', '[]', 'give at least one example');
  let drawn = 0;
  let order: { epoch: number; indices: Uint32Array } | undefined;
  const itemAt = (position: number): Item => {
    const epoch = Math.floor(position / items.length);
    if (order?.epoch !== epoch) order = { epoch, indices: seededOrder(items.length, seed, epoch) };
    return items[order.indices[position % items.length]!]!;
  };
  const sum = (batch: ItemBatch<Item>, of: (item: Item) => number) =>
    batch.reduce((total, item) => total + (item === undefined ? 0 : of(item)), 0);
  return {
    model: options.model,
    next: (rows) => Array.from({ length: rows }, () => itemAt(drawn++)),
    get position() {
      return drawn;
    },
    seek(position) {
      drawn = Number(position);
    },
    epochs: () => [{ name: 'examples', tokens: 0, epochs: drawn / items.length }],
    micro: (batch, from, to) => Array.from({ length: to - from }, (_, row) => batch[from + row]),
    targets: (batch) => sum(batch, targets),
    tokens: (batch) => sum(batch, options.tokens),
    feeds: options.feeds,
    loss: (inputs, step) => options.loss(inputs, step, true),
    evaluate: (inputs) => options.loss(inputs, 0, false),
    asTokens(batch) {
      const rows = batch.flatMap((item) => (item === undefined ? [] : options.rows(item)));
      const length = Math.max(1, ...rows.map((row) => row.length));
      const tokenIds = new Int32Array(rows.length * length);
      rows.forEach((row, index) => {
        tokenIds.set(row, index * length);
      });
      return { batchSize: rows.length, length, tokenIds, labels: new Int32Array(tokenIds.length).fill(-100) };
    },
  };
}
