import type * as tf from '@tensorflow/tfjs-core';
import type { Json, SourceEpochs, TokenBatch } from '../data/token-batch.js';
import type { TrainableModel } from './checkpoint-store.js';

/** An array on its way to the engine. */
export interface HostTensor {
  readonly data: Int32Array | Float32Array;
  readonly shape: readonly number[];
}

/** The arrays of one micro-batch; every micro-batch of a task has the same names and shapes. */
export type Feeds = Readonly<Record<string, HostTensor>>;

/** What the loop trains: pretraining, fine-tuning and their losses all look like this. */
export interface TrainingTask<Batch> {
  readonly model: TrainableModel;
  /** Trained and saved beside the model's own variables: a classification head, LoRA matrices. */
  readonly extraVariables?: ReadonlyMap<string, tf.Variable>;
  next(rows: number): Batch | Promise<Batch>;
  readonly position: Json;
  seek(position: Json): void;
  epochs(): readonly SourceEpochs[];
  /** Rows [from, to) of a batch, padded to `to − from` rows whose targets do not count. */
  micro(batch: Batch, from: number, to: number): Batch;
  /** Positions (or examples) that the loss averages over. */
  targets(batch: Batch): number;
  /** Tokens that go through the model. */
  tokens(batch: Batch): number;
  feeds(batch: Batch): Feeds;
  /** The mean loss over the targets, from tensors made of `feeds`. */
  loss(inputs: Readonly<Record<string, tf.Tensor>>, seed: number | tf.Tensor): tf.Scalar;
  /** The same without dropout, for held-out data. */
  evaluate(inputs: Readonly<Record<string, tf.Tensor>>): tf.Scalar;
  /** Bytes of text per target, for bits per byte. */
  readonly bytesPerTarget?: number;
  /** The batch as token rows, to be kept when it makes training fail. */
  asTokens(batch: Batch): TokenBatch;
}
