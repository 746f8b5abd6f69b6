import { capture, executorNames, type GPT } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ScalarHeadModel } from '../models/scalar-head.js';
import { entropyFromLogits } from '../objectives/ppo-loss.js';
import { tokenLogProbsOf } from './completion-log-probs.js';
import { completionParts } from './experience.js';
import { type PromptCompletion, sequenceRows } from './sequence-rows.js';

/** `[batch, length]` moved right by one: the value of the state in which token t was chosen. */
export const beforeToken = (values: tf.Tensor2D): tf.Tensor2D =>
  tf.tidy(() => {
    const [batch, length] = values.shape;
    return tf.concat([tf.zeros([batch, 1]), tf.slice(values, [0, 0], [batch, length - 1])], 1) as tf.Tensor2D;
  });

/** Rows `[batch, length]` in, tensors of the same shape out. */
type RowFunction = (tokenIds: tf.Tensor2D, attentionMask: tf.Tensor2D) => tf.Tensor2D[];
type RowProgram = ((...rows: [tf.Tensor2D, tf.Tensor2D]) => Promise<tf.Tensor2D[]>) & { dispose(): void };

/** Most rows that go through a model at once. */
const ROWS = 64;
const FILLER: PromptCompletion = { promptTokenIds: [], completionTokenIds: [0] };

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
  readonly #programs = new Map<GPT | ScalarHeadModel, RowProgram>();
  readonly #length: number;
  readonly #temperature: number;
  readonly #frozen: ReadonlySet<GPT | ScalarHeadModel>;

  /** @param length of the rows, at least that of every sequence */
  constructor(length: number, { temperature = 1, frozen = [] }: MeasurementOptions = {}) {
    this.#length = length;
    this.#temperature = temperature;
    this.#frozen = new Set(frozen);
  }

  /** Log-probability and entropy of each completion token, nats. */
  async logProbs(
    model: GPT,
    sequences: readonly PromptCompletion[],
  ): Promise<{ logProbs: number[][]; entropies: number[][] }> {
    const temperature = this.#temperature;
    const [logProbs = [], entropies = []] = await this.#byToken(
      model,
      sequences,
      (tokenIds, attentionMask) => {
        const { logProbs: tokens, logits } = tokenLogProbsOf(model, tokenIds, attentionMask, { temperature });
        return [tokens, beforeToken(entropyFromLogits(logits) as tf.Tensor2D)];
      },
    );
    return { logProbs, entropies };
  }

  /** Value of the state before each completion token. */
  async values(model: ScalarHeadModel, sequences: readonly PromptCompletion[]): Promise<number[][]> {
    const [values = []] = await this.#byToken(model, sequences, (tokenIds, attentionMask) => [
      beforeToken(model.values({ tokenIds, attentionMask })),
    ]);
    return values;
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    this.#programs.clear();
  }

  async #byToken(
    model: GPT | ScalarHeadModel,
    sequences: readonly PromptCompletion[],
    compute: RowFunction,
  ): Promise<number[][][]> {
    let program = this.#programs.get(model);
    if (!program) {
      program = rowProgram(compute, this.#frozen.has(model));
      this.#programs.set(model, program);
    }
    const results: number[][][] = [];
    const rows = Math.min(ROWS, sequences.length);
    for (let start = 0; start < sequences.length; start += rows) {
      const batch = sequences.slice(start, start + rows);
      // A short last batch is filled up: one shape, one graph.
      const filled = [...batch, ...new Array<PromptCompletion>(rows - batch.length).fill(FILLER)];
      const { tokenIds, attentionMask } = sequenceRows(filled, this.#length);
      const shape: [number, number] = [rows, this.#length];
      const inputs = [
        tf.tensor2d(tokenIds, shape, 'int32'),
        tf.tensor2d(attentionMask, shape, 'int32'),
      ] as const;
      try {
        const tensors = await program(...inputs);
        for (const [index, tensor] of tensors.entries()) {
          results[index] ??= [];
          results[index].push(...completionParts(await tensor.data(), batch, this.#length));
        }
        tf.dispose(tensors);
      } finally {
        tf.dispose([...inputs]);
      }
    }
    return results;
  }
}

function rowProgram(compute: RowFunction, frozen: boolean): RowProgram {
  if (tf.getBackend() !== 'tensorflow') {
    const eager = async (...rows: [tf.Tensor2D, tf.Tensor2D]) => tf.tidy(() => compute(...rows));
    return Object.assign(eager, { dispose: () => undefined });
  }
  const captured = (executor: 'onnx' | 'tensorflow') =>
    capture((...rows: [tf.Tensor2D, tf.Tensor2D]) => compute(...rows), { executor }) as unknown as RowProgram;
  if (!frozen || !executorNames().includes('onnx')) return captured('tensorflow');
  let program = captured('onnx');
  let tried = false;
  const run = async (...rows: [tf.Tensor2D, tf.Tensor2D]) => {
    try {
      return await program(...rows);
    } catch (error) {
      // Not every attention layer has a counterpart there.
      if (tried) throw error;
      program.dispose();
      program = captured('tensorflow');
      return await program(...rows);
    } finally {
      tried = true;
    }
  };
  return Object.assign(run, { dispose: () => program.dispose() });
}
