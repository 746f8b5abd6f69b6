import * as tf from '@tensorflow/tfjs-core';
import { clipLoss, siglipLoss } from '../loss/contrastive.js';
import { type CLIP, pixelBatch } from '../model/clip.js';
import { type BatchStatistics, modifiedResNet } from '../model/modified-resnet.js';
import type { TokenIds } from '../model/text-transformer.js';
import { l2Normalize } from '../model/transformer.js';

export type Tower = 'image' | 'text';

/** Part of a contrastive batch that is run through the towers at once. */
export interface MicroBatch {
  readonly pixels: tf.Tensor4D;
  readonly tokenIds: TokenIds;
}

export interface GradientOptions {
  readonly loss?: 'infonce' | 'siglip';
  /** Towers that stay as they are. */
  readonly locked?: readonly Tower[];
}

export interface ContrastiveGradients {
  readonly loss: tf.Scalar;
  /** By our parameter names, trained parameters only. */
  readonly gradients: Record<string, tf.Tensor>;
  /** Share of images that find their text within the batch, and of texts their image. */
  readonly accuracy: tf.Tensor1D;
  /** Batch norm statistics to fold in, when the image tower is a ResNet and trains. */
  readonly statistics: BatchStatistics[];
}

/** Names of the parameters that a run with these locks trains. */
export function trainedNames(clip: CLIP, { locked = [], loss = 'infonce' }: GradientOptions): string[] {
  return [...clip.parameters.entries()]
    .filter(([name, variable]) => {
      if (!variable.trainable) return false;
      if (name === 'logitBias') return loss === 'siglip'; // a softmax does not see it
      if (name.startsWith('vision.')) return !locked.includes('image');
      if (name.startsWith('text.')) return !locked.includes('text');
      return true;
    })
    .map(([name]) => name);
}

/**
 * Gradients of the contrastive loss over a batch larger than memory. The loss couples all pairs, so plain
 * accumulation of micro-batches would train on fewer negatives. Instead: encode all micro-batches without a tape,
 * differentiate the loss with respect to the features, then run each micro-batch again and push its part of that
 * gradient through the towers. Equal to the whole batch at once; costs one more forward pass. Gao et al. 2021,
 * "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup". One micro-batch is run only once.
 *
 * All returned tensors are the caller's.
 */
export function contrastiveGradients(
  clip: CLIP,
  microBatches: readonly MicroBatch[],
  options: GradientOptions = {},
): ContrastiveGradients {
  const { locked = [] } = options;
  const names = trainedNames(clip, options);
  const statistics: BatchStatistics[] = [];
  const encode = (batch: MicroBatch, collect?: BatchStatistics[]) => ({
    image: imageFeatures(clip, batch.pixels, locked.includes('image') ? undefined : collect),
    text: clip.encodeText(batch.tokenIds),
  });
  const only = microBatches[0];
  if (microBatches.length === 1 && only) {
    const { value, grads } = variableGradients(clip, names, () => {
      const { image, text } = encode(only, statistics);
      const loss = lossOf(clip, image, text, options);
      return { loss, extra: batchAccuracy(image, text) };
    });
    return { loss: value.loss, gradients: grads, accuracy: value.extra as tf.Tensor1D, statistics };
  }

  // Pass 1: features only.
  const features = microBatches.map((batch) =>
    tf.tidy(() => {
      const scratch: BatchStatistics[] = [];
      const { image, text } = encode(batch, scratch);
      for (const { mean, variance } of scratch) tf.dispose([mean, variance]);
      return [image, text] as [tf.Tensor2D, tf.Tensor2D];
    }),
  );
  const images = tf.concat(
    features.map(([image]) => image),
    0,
  );
  const texts = tf.concat(
    features.map(([, text]) => text),
    0,
  );
  tf.dispose(features);
  const accuracy = batchAccuracy(images, texts);

  // Pass 2: the loss as a function of the features, and of scale and bias.
  const head = names.filter((name) => !name.startsWith('vision.') && !name.startsWith('text.'));
  const imageVariable = tf.variable(images);
  const textVariable = tf.variable(texts);
  tf.dispose([images, texts]);
  const headVariables = head.map((name) => clip.parameters.get(name));
  const { value: loss, grads: featureGrads } = tf.variableGrads(
    () =>
      lossOf(clip, imageVariable as unknown as tf.Tensor2D, textVariable as unknown as tf.Tensor2D, options),
    [imageVariable, textVariable, ...headVariables],
  );
  const imageGrads = featureGrads[imageVariable.name]!;
  const textGrads = featureGrads[textVariable.name]!;
  tf.dispose([imageVariable, textVariable]);

  // Pass 3: each micro-batch's share through the towers.
  const gradients: Record<string, tf.Tensor> = {};
  for (const name of head) gradients[name] = featureGrads[clip.parameters.get(name).name]!;
  const towerNames = names.filter((name) => !head.includes(name));
  let start = 0;
  for (const batch of microBatches) {
    if (towerNames.length === 0) break;
    const size = batch.pixels.shape[0];
    const { value, grads } = variableGradients(clip, towerNames, () => {
      const slice = (t: tf.Tensor) => tf.slice(t, [start, 0], [size, t.shape[1]!]);
      const parts: tf.Tensor[] = [];
      if (!locked.includes('image'))
        parts.push(tf.mul(imageFeatures(clip, batch.pixels, statistics), slice(imageGrads)));
      if (!locked.includes('text')) parts.push(tf.mul(clip.encodeText(batch.tokenIds), slice(textGrads)));
      return { loss: tf.addN(parts.map((part) => tf.sum(part))) as tf.Scalar };
    });
    value.loss.dispose();
    for (const [name, gradient] of Object.entries(grads)) {
      const sum = gradients[name];
      gradients[name] = sum ? tf.add(sum, gradient) : gradient;
      if (sum) tf.dispose([sum, gradient]);
    }
    start += size;
  }
  tf.dispose([imageGrads, textGrads]);
  return { loss: loss as tf.Scalar, gradients, accuracy, statistics };
}

function lossOf(
  clip: CLIP,
  images: tf.Tensor2D,
  texts: tf.Tensor2D,
  { loss = 'infonce' }: GradientOptions,
): tf.Scalar {
  const scale = clip.parameters.get('logitScale');
  return loss === 'siglip'
    ? siglipLoss(images, texts, scale, clip.parameters.get('logitBias'))
    : clipLoss(images, texts, scale);
}

/** Normalised image features; a training ResNet normalises by its batch and reports the statistics. */
function imageFeatures(clip: CLIP, pixels: tf.Tensor4D, collect?: BatchStatistics[]): tf.Tensor2D {
  const { vision } = clip.config;
  if (collect && vision?.kind === 'resnet') {
    return l2Normalize(modifiedResNet(clip.parameters, vision, pixelBatch(pixels), { collect }).pooled);
  }
  return clip.encodeImage(pixels);
}

function batchAccuracy(images: tf.Tensor2D, texts: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    const similarity = tf.matMul(images, texts, false, true);
    const own = tf.range(0, images.shape[0], 1, 'int32');
    const hits = (scores: tf.Tensor) => tf.mean(tf.cast(tf.equal(tf.argMax(scores, 1), own), 'float32'));
    return tf.stack([hits(similarity), hits(tf.transpose(similarity))]) as tf.Tensor1D;
  });
}

/** `tf.variableGrads` by our names, with a second result kept out of the differentiation. */
function variableGradients(
  clip: CLIP,
  names: readonly string[],
  run: () => { loss: tf.Scalar; extra?: tf.Tensor },
): { value: { loss: tf.Scalar; extra?: tf.Tensor }; grads: Record<string, tf.Tensor> } {
  let extra: tf.Tensor | undefined;
  const variables = names.map((name) => clip.parameters.get(name));
  const { value, grads } = tf.variableGrads(() => {
    const result = run();
    if (result.extra) extra = tf.keep(result.extra);
    return result.loss;
  }, variables);
  const byName: Record<string, tf.Tensor> = {};
  names.forEach((name, i) => {
    byName[name] = grads[variables[i]!.name]!;
  });
  return { value: extra ? { loss: value, extra } : { loss: value }, grads: byName };
}
