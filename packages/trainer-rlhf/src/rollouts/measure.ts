import { capture, executorNames, type GPT } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ScalarHeadModel } from '../models/scalar-head.js';
import { entropyFromLogits } from '../objectives/ppo-loss.js';
import { type CompletionColumns, columnsOf, completionParts } from './completion-columns.js';
import { completionPredictions, completionValues } from './completion-predictions.js';
import { batchTokens } from './experience.js';
import type { PromptCompletion } from './sequence-rows.js';

/** Rows `[batch, length]` in, tensors `[batch, length − first]` out. */
type RowFunction = (tokenIds: tf.Tensor2D, first: number) => tf.Tensor2D[];
type RowProgram = ((tokenIds: tf.Tensor2D) => Promise<tf.Tensor2D[]>) & { dispose(): void };

/** Most rows that go through a model at once. */
const ROWS = 64;

export interface MeasurementOptions {
  /** Of sampling, default 1. */
  readonly temperature?: number | undefined;
  /** Models that are not trained meanwhile: ONNX Runtime is faster, but builds a model anew when weights change. */
  readonly frozen?: readonly (GPT | ScalarHeadModel)[];
}

/**
 * Log-probabilities, entropies and values of sampled completions under several models. Where TensorFlow is native each
 * measurement is one captured graph, made once and kept until `dispose`; it always reads the models' current weights.
 */
export class Measurements {
  /** By model, and by what is measured, from which column on. */
  readonly #programs = new Map<GPT | ScalarHeadModel, Map<string, RowProgram>>();
  readonly #columns: CompletionColumns;
  readonly #temperature: number;
  readonly #frozen: ReadonlySet<GPT | ScalarHeadModel>;

  /** @param columns rows at least as long as every sequence */
  constructor(columns: CompletionColumns, { temperature = 1, frozen = [] }: MeasurementOptions = {}) {
    this.#columns = columns;
    this.#temperature = temperature;
    this.#frozen = new Set(frozen);
  }

  /** Log-probability of each completion token, nats. */
  async logProbs(model: GPT, sequences: readonly PromptCompletion[]): Promise<number[][]> {
    const temperature = this.#temperature;
    const [logProbs = []] = await this.#byToken('logProbs', model, sequences, (tokenIds, first) => [
      completionPredictions(model, tokenIds, first, { temperature }).logProbs,
    ]);
    return logProbs;
  }

  /** The same, and the entropy of the distribution that each token comes from. */
  async predictions(
    model: GPT,
    sequences: readonly PromptCompletion[],
  ): Promise<{ logProbs: number[][]; entropies: number[][] }> {
    const temperature = this.#temperature;
    const compute: RowFunction = (tokenIds, first) => {
      const { logProbs, logits } = completionPredictions(model, tokenIds, first, { temperature });
      return [logProbs, entropyFromLogits(logits) as tf.Tensor2D];
    };
    const [logProbs = [], entropies = []] = await this.#byToken('predictions', model, sequences, compute);
    return { logProbs, entropies };
  }

  /** Value of the state before each completion token. */
  async values(model: ScalarHeadModel, sequences: readonly PromptCompletion[]): Promise<number[][]> {
    const [values = []] = await this.#byToken('values', model, sequences, (tokenIds, first) => [
      completionValues(model, tokenIds, first),
    ]);
    return values;
  }

  dispose(): void {
    for (const programs of this.#programs.values())
      for (const program of programs.values()) program.dispose();
    this.#programs.clear();
  }

  async #byToken(
    what: string,
    model: GPT | ScalarHeadModel,
    sequences: readonly PromptCompletion[],
    compute: RowFunction,
  ): Promise<number[][][]> {
    const columns = columnsOf(sequences, this.#columns);
    const program = this.#program(`${what} from ${columns.first}`, model, (tokenIds) =>
      compute(tokenIds, columns.first),
    );
    const results: number[][][] = [];
    const rows = Math.min(ROWS, sequences.length);
    for (let start = 0; start < sequences.length; start += rows) {
      const batch = sequences.slice(start, start + rows);
      // A short last batch is filled up: one shape, one graph.
      const filled = Array.from({ length: rows }, (_, row) => batch[row]);
      const shape: [number, number] = [rows, columns.length];
      const tokenIds = tf.tensor2d(batchTokens(filled, columns.length), shape, 'int32');
      try {
        const tensors = await program(tokenIds);
        for (const [index, tensor] of tensors.entries()) {
          results[index] ??= [];
          results[index].push(...completionParts(await tensor.data(), batch, columns));
        }
        tf.dispose(tensors);
      } finally {
        tokenIds.dispose();
      }
    }
    return results;
  }

  #program(
    key: string,
    model: GPT | ScalarHeadModel,
    compute: (tokenIds: tf.Tensor2D) => tf.Tensor2D[],
  ): RowProgram {
    const programs = this.#programs.get(model) ?? new Map<string, RowProgram>();
    this.#programs.set(model, programs);
    const program = programs.get(key) ?? rowProgram(compute, this.#frozen.has(model));
    programs.set(key, program);
    return program;
  }
}

function rowProgram(compute: (tokenIds: tf.Tensor2D) => tf.Tensor2D[], frozen: boolean): RowProgram {
  if (tf.getBackend() !== 'tensorflow') {
    const eager = async (tokenIds: tf.Tensor2D) => tf.tidy(() => compute(tokenIds));
    return Object.assign(eager, { dispose: () => undefined });
  }
  const captured = (executor: 'onnx' | 'tensorflow') =>
    capture(compute, { executor }) as unknown as RowProgram;
  if (!frozen || !executorNames().includes('onnx')) return captured('tensorflow');
  let program = captured('onnx');
  let tried = false;
  const run = async (tokenIds: tf.Tensor2D) => {
    try {
      return await program(tokenIds);
    } catch (error) {
      // Not every attention layer has a counterpart there.
      if (tried) throw error;
      program.dispose();
      program = captured('tensorflow');
      return await program(tokenIds);
    } finally {
      tried = true;
    }
  };
  return Object.assign(run, { dispose: () => program.dispose() });
}
