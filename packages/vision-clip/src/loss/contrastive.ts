import { softmaxCrossEntropy } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { ClipInputError } from '../errors.js';

/** A scale or bias that may be trained, or a fixed number. */
export type ScalarLike = tf.Tensor | number;

/**
 * Similarities `exp(logitScale) · images · textsᵀ (+ logitBias)`.
 *
 * @param imageEmbeds `[images, embedDim]`, normalised
 * @param textEmbeds `[texts, embedDim]`, normalised
 * @param logitScale the **logarithm** of the scale, as checkpoints store it (t of the paper's figure 3)
 * @returns `[images, texts]`
 */
export function similarityLogits(
  imageEmbeds: tf.Tensor2D,
  textEmbeds: tf.Tensor2D,
  logitScale: ScalarLike,
  logitBias?: ScalarLike,
): tf.Tensor2D {
  return tf.tidy(() => {
    const scale = tf.exp(asScalar(logitScale));
    const logits = tf.mul(tf.matMul(imageEmbeds, textEmbeds, false, true), scale) as tf.Tensor2D;
    return logitBias === undefined ? logits : tf.add(logits, asScalar(logitBias));
  });
}

/**
 * CLIP's symmetric InfoNCE: mean cross entropy of each image against all texts and of each text against all
 * images, the pair on the diagonal being right. Radford et al. 2021, figure 3. A model that knows nothing has
 * ln(batch).
 *
 * @param imageEmbeds `[batch, embedDim]`, normalised
 * @param textEmbeds `[batch, embedDim]`, normalised; row i belongs to image i
 * @param logitScale the **logarithm** of the scale; pass the model's variable to train it
 * @returns scalar, nats
 * @throws {ClipInputError} when the shapes differ
 */
export function clipLoss(
  imageEmbeds: tf.Tensor2D,
  textEmbeds: tf.Tensor2D,
  logitScale: ScalarLike,
): tf.Scalar {
  checkPairs(imageEmbeds, textEmbeds);
  return tf.tidy(() => {
    const logits = similarityLogits(imageEmbeds, textEmbeds, logitScale);
    const targets = tf.cast(tf.range(0, logits.shape[0]), 'int32');
    const perImage = softmaxCrossEntropy(logits, targets);
    const perText = softmaxCrossEntropy(tf.transpose(logits), targets);
    return tf.mul(tf.add(perImage, perText), 0.5) as tf.Scalar;
  });
}

/**
 * SigLIP's loss: every pair of the batch is a yes/no question of its own, −Σ log σ(±logit) / batch. Zhai et al.
 * 2023, "Sigmoid Loss for Language Image Pre-Training", algorithm 1. Start with logitScale ln 10, logitBias −10.
 *
 * @param logitScale the **logarithm** of the scale
 * @returns scalar, nats
 * @throws {ClipInputError} when the shapes differ
 */
export function siglipLoss(
  imageEmbeds: tf.Tensor2D,
  textEmbeds: tf.Tensor2D,
  logitScale: ScalarLike,
  logitBias: ScalarLike,
): tf.Scalar {
  checkPairs(imageEmbeds, textEmbeds);
  return tf.tidy(() => {
    const batch = imageEmbeds.shape[0];
    const logits = similarityLogits(imageEmbeds, textEmbeds, logitScale, logitBias);
    const pairs = tf.cast(tf.oneHot(tf.cast(tf.range(0, batch), 'int32'), batch), 'float32');
    const diagonal = tf.sub(tf.mul(pairs, 2), 1); // +1 / −1
    const signed = tf.mul(logits, diagonal);
    // log σ(x) = min(x, 0) − log(1 + e^−|x|), safe for large |x|
    const logSigmoid = tf.sub(tf.minimum(signed, 0), tf.log1p(tf.exp(tf.neg(tf.abs(signed)))));
    return tf.neg(tf.div(tf.sum(logSigmoid), batch)) as tf.Scalar;
  });
}

function asScalar(value: ScalarLike): tf.Tensor {
  return typeof value === 'number' ? tf.scalar(value) : value;
}

function checkPairs(imageEmbeds: tf.Tensor, textEmbeds: tf.Tensor): void {
  const [images, texts] = [imageEmbeds.shape, textEmbeds.shape];
  if (images.length !== 2 || texts.length !== 2 || images[0] !== texts[0] || images[1] !== texts[1]) {
    throw new ClipInputError('textEmbeds', `must have imageEmbeds' shape [${images}], received [${texts}]`);
  }
}
