import type { GPT } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { tokenLogProbs } from '../objectives/sequence-log-probs.js';

/**
 * Log-probability of every token given those before it, for right-padded rows; position 0, which nothing predicts, is
 * 0. Nothing is cut off; the temperature is that of sampling, so that ratios are those of the distribution sampled from.
 *
 * @param tokenIds `[batch, length]` int32
 * @param attentionMask `[batch, length]` int32
 * @returns `logProbs` `[batch, length]`, nats; `logits` `[batch, length, vocabSize]`, where position t predicts t + 1, divided by the temperature
 */
export function tokenLogProbsOf(
  model: GPT,
  tokenIds: tf.Tensor2D,
  attentionMask: tf.Tensor2D,
  {
    temperature = 1,
    ...options
  }: { training?: boolean; seed?: number | tf.Tensor; temperature?: number } = {},
): { logProbs: tf.Tensor2D; logits: tf.Tensor3D } {
  return tf.tidy(() => {
    const [batch, length] = tokenIds.shape;
    const forward = model.forward(tokenIds, { attentionMask, ...options });
    const logits = temperature === 1 ? forward.logits : (tf.div(forward.logits, temperature) as tf.Tensor3D);
    const targets = tf.slice(tokenIds, [0, 1], [batch, length - 1]); // [batch, length − 1]
    const predictions = tf.slice(logits, [0, 0, 0], [batch, length - 1, model.config.vocabSize]);
    const predicted = tokenLogProbs(predictions, targets); // [batch, length − 1]
    const logProbs = tf.concat([tf.zeros([batch, 1]), predicted], 1) as tf.Tensor2D; // [batch, length]
    return { logProbs, logits };
  });
}
