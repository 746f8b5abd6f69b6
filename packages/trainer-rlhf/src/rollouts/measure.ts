import type { GPT } from '@gpt-lineage/gpt-core';
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

async function byToken(
  sequences: readonly PromptCompletion[],
  length: number,
  batchSize: number,
  compute: (tokenIds: tf.Tensor2D, attentionMask: tf.Tensor2D) => tf.Tensor2D[],
): Promise<number[][][]> {
  const results: number[][][] = [];
  for (let start = 0; start < sequences.length; start += batchSize) {
    const batch = sequences.slice(start, start + batchSize);
    const rows = sequenceRows(batch, length);
    const shape: [number, number] = [batch.length, length];
    const tensors = tf.tidy(() =>
      compute(tf.tensor2d(rows.tokenIds, shape, 'int32'), tf.tensor2d(rows.attentionMask, shape, 'int32')),
    );
    for (const [index, tensor] of tensors.entries()) {
      results[index] ??= [];
      results[index].push(...completionParts(await tensor.data(), batch, length));
    }
    tf.dispose(tensors);
  }
  return results;
}

/** Log-probability and entropy of each completion token under a model, nats. */
export async function measureLogProbs(
  model: GPT,
  sequences: readonly PromptCompletion[],
  length: number,
  batchSize = 16,
): Promise<{ logProbs: number[][]; entropies: number[][] }> {
  const [logProbs = [], entropies = []] = await byToken(
    sequences,
    length,
    batchSize,
    (tokenIds, attentionMask) => {
      const { logProbs: tokens, logits } = tokenLogProbsOf(model, tokenIds, attentionMask);
      return [tokens, beforeToken(entropyFromLogits(logits) as tf.Tensor2D)];
    },
  );
  return { logProbs, entropies };
}

/** Value of the state before each completion token. */
export async function measureValues(
  model: ScalarHeadModel,
  sequences: readonly PromptCompletion[],
  length: number,
  batchSize = 16,
): Promise<number[][]> {
  const [values = []] = await byToken(sequences, length, batchSize, (tokenIds, attentionMask) => [
    beforeToken(model.values({ tokenIds, attentionMask })),
  ]);
  return values;
}
