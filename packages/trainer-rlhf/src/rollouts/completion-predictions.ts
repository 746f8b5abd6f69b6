import type { GPT } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ScalarHeadModel } from '../models/scalar-head.js';
import { tokenLogProbs } from '../objectives/sequence-log-probs.js';

interface PassOptions {
  readonly training?: boolean;
  readonly seed?: number | tf.Tensor;
}

/**
 * Predictions of the tokens from position `first` on, for right-padded rows. Nothing is cut off; the temperature is that
 * of sampling, so that ratios are those of the distribution sampled from.
 *
 * @param tokenIds `[batch, length]` int32
 * @returns `logProbs` `[batch, length − first]`, nats; `logits` `[batch, length − first, vocabSize]`, divided by the temperature
 */
export function completionPredictions(
  model: GPT,
  tokenIds: tf.Tensor2D,
  first: number,
  { temperature = 1, ...options }: PassOptions & { readonly temperature?: number } = {},
): { logProbs: tf.Tensor2D; logits: tf.Tensor3D } {
  return tf.tidy(() => {
    const { lastHiddenState } = model.forward(beforeLast(tokenIds), {
      ...options,
      from: first - 1,
      logits: 'none',
    });
    const [batch, width, nEmbd] = lastHiddenState.shape;
    const scores = model.head(tf.reshape(lastHiddenState, [batch * width, nEmbd]));
    const logits = tf.reshape(temperature === 1 ? scores : tf.div(scores, temperature), [batch, width, -1]);
    const targets = tf.slice(tokenIds, [0, first], [batch, width]);
    return { logProbs: tokenLogProbs(logits, targets) as tf.Tensor2D, logits: logits as tf.Tensor3D };
  });
}

/** Values of the states in which the tokens from position `first` on were chosen, `[batch, length − first]`. */
export function completionValues(
  model: ScalarHeadModel,
  tokenIds: tf.Tensor2D,
  first: number,
  options: PassOptions = {},
): tf.Tensor2D {
  return tf.tidy(() => model.values({ tokenIds: beforeLast(tokenIds) }, { ...options, from: first - 1 }));
}

/** A row's last token predicts nothing. Padding stands on the right, where no token of the row sees it: no mask. */
function beforeLast(tokenIds: tf.Tensor2D): tf.Tensor2D {
  const [batch, length] = tokenIds.shape;
  return tf.slice(tokenIds, [0, 0], [batch, length - 1]);
}
