import * as tf from '@tensorflow/tfjs-core';
import { type CompletionColumns, completionParts } from '../rollouts/completion-columns.js';
import type { PromptCompletion } from '../rollouts/sequence-rows.js';

/** By sequence and token of its completion. */
export interface Measured {
  readonly logProbs: readonly (readonly number[])[];
  readonly entropies: readonly (readonly number[])[];
  readonly values: readonly (readonly number[])[];
}

/**
 * What a step's own loss finds out about its completions, left in a variable while it runs, so that policy and value
 * model need not be asked before the step.
 */
export class StepMeasurements {
  readonly #columns: CompletionColumns;
  readonly #values: tf.Variable<tf.Rank.R3>;
  #rows: readonly PromptCompletion[] = [];

  constructor(rows: number, columns: CompletionColumns) {
    this.#columns = columns;
    const shape: [number, number, number] = [3, rows, columns.length - columns.first];
    this.#values = tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R3>(shape), false));
  }

  /** The sequences of the step to come, row by row. */
  expect(rows: readonly PromptCompletion[]): void {
    this.#rows = rows;
  }

  /** Inside of the loss; all `[rows, length − first]`. */
  record(logProbs: tf.Tensor2D, entropies: tf.Tensor2D, values: tf.Tensor2D): void {
    tf.tidy(() => this.#values.assign(tf.stack([logProbs, entropies, values]) as tf.Tensor3D));
  }

  /** The step's numbers, in the order of `sequences`, which are those expected. */
  async read(sequences: readonly PromptCompletion[]): Promise<Measured> {
    const numbers = await this.#values.data();
    const size = numbers.length / 3;
    const rowOf = new Map(this.#rows.map((sequence, row) => [sequence, row]));
    const part = (at: number) => {
      const lists = completionParts(numbers.subarray(at * size, (at + 1) * size), this.#rows, this.#columns);
      return sequences.map((sequence) => lists[rowOf.get(sequence)!]!);
    };
    return { logProbs: part(0), entropies: part(1), values: part(2) };
  }

  dispose(): void {
    this.#values.dispose();
  }
}
