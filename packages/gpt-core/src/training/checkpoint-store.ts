import type * as tf from '@tensorflow/tfjs-core';
import type { GPTConfig } from '../config/config.js';
import type { TokenBatch } from '../data/token-batch.js';
import type { TrainingState } from './training-state.js';

/** What training needs of a model. */
export interface TrainableModel {
  readonly config: GPTConfig;
  readonly variables: ReadonlyMap<string, tf.Variable>;
  save(directory: string): Promise<void>;
  /** Takes over what `save` wrote; absent for a plain GPT, whose folders every store can read. */
  restore?(directory: string): Promise<void>;
}

/** Arrays that belong to the optimizer or the weight average, by name. */
export type StateTensors = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

export interface SavedTraining {
  readonly path: string;
  readonly state: TrainingState;
  readonly tensors: StateTensors;
  /** Writes the stored weights into the model's variables. */
  restoreWeights(model: TrainableModel): Promise<void>;
}

/**
 * Keeps training checkpoints; `runDirectory` of the Node entry point keeps them on disk. A checkpoint exists
 * whole or not at all.
 */
export interface CheckpointStore {
  save(checkpoint: {
    readonly model: TrainableModel;
    readonly state: TrainingState;
    readonly tensors: StateTensors;
    readonly isBest: boolean;
  }): Promise<string>;
  /** Exports the model that a finished run ends with: the averaged weights, when the run averages them. */
  finish(model: TrainableModel): Promise<void>;
  /** The newest checkpoint, or `undefined` for a new run. */
  latest(): Promise<SavedTraining | undefined>;
  /** Keeps a batch that made training fail, for study. */
  saveBatch(step: number, batch: TokenBatch): Promise<string>;
}
