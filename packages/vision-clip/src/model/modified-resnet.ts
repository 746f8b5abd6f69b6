import { linear, softmax } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import type { ResNetConfig } from '../config.js';
import { ClipInputError } from '../errors.js';
import { averagePool2, conv3x3 } from './convolution.js';
import type { Parameters } from './parameters.js';

/** Statistics of one batch norm layer on one batch, to be folded into its running statistics. */
export interface BatchStatistics {
  readonly name: string;
  readonly mean: tf.Tensor1D;
  /** Unbiased (divided by n − 1), as PyTorch stores it. */
  readonly variance: tf.Tensor1D;
}

export interface ResNetOptions {
  /** Normalise by the batch's own statistics and report them here. Default: by the running statistics. */
  readonly collect?: BatchStatistics[];
  /** Stage outputs, `[batch, height, width, channels]`. */
  readonly outputStages?: boolean;
}

export interface ResNetOutput {
  /** `[batch, embedDim]`, the attention pool's output. */
  readonly pooled: tf.Tensor2D;
  /** After the stem and each stage, with `outputStages`. */
  readonly stages: tf.Tensor4D[];
}

/**
 * CLIP's ResNet (Radford et al. 2021, section 2.4): a stem of three convolutions, average pooling before every
 * strided convolution (ResNet-D and blur pooling), and attention in place of the last average pool.
 *
 * @param pixels `[batch, 3, imageSize, imageSize]`
 * @throws {ClipInputError}
 */
export function modifiedResNet(
  parameters: Parameters,
  config: ResNetConfig,
  pixels: tf.Tensor4D,
  options: ResNetOptions = {},
): ResNetOutput {
  const { imageSize, layers } = config;
  const [, channels, height, width] = pixels.shape;
  if (channels !== 3 || height !== imageSize || width !== imageSize) {
    throw new ClipInputError(
      'pixels',
      `must be [batch, 3, ${imageSize}, ${imageSize}] for this ResNet, received [${pixels.shape}]`,
    );
  }
  const norm = (name: string, x: tf.Tensor4D) => batchNorm(parameters, name, x, config, options.collect);
  const stages: tf.Tensor4D[] = [];
  let x = tf.transpose(pixels, [0, 2, 3, 1]); // [batch, height, width, 3]
  for (let i = 1; i <= 3; i++) {
    x = tf.relu(
      norm(
        `vision.stem.norm${i}`,
        conv3x3(x, parameters.get(`vision.stem.conv${i}.weight`), i === 1 ? 2 : 1),
      ),
    );
  }
  x = averagePool2(x);
  stages.push(x);
  for (const [stage, count] of layers.entries()) {
    for (let i = 0; i < count; i++)
      x = bottleneck(parameters, `vision.stages.${stage}.${i}`, x, stage > 0 && i === 0, norm);
    stages.push(x);
  }
  const pooled = attentionPool(parameters, config.nHead, x);
  return { pooled, stages: options.outputStages ? stages : [] };
}

function bottleneck(
  parameters: Parameters,
  name: string,
  x: tf.Tensor4D,
  halve: boolean,
  norm: (name: string, x: tf.Tensor4D) => tf.Tensor4D,
): tf.Tensor4D {
  const conv1x1 = (part: string, input: tf.Tensor4D) => {
    const weight = parameters.get(`${name}.${part}.weight`); // [1, 1, in, out]
    return linear(
      input,
      tf.reshape(weight, [weight.shape[2]!, weight.shape[3]!]) as tf.Tensor2D,
    ) as tf.Tensor4D;
  };
  let out = tf.relu(norm(`${name}.norm1`, conv1x1('conv1', x)));
  out = tf.relu(norm(`${name}.norm2`, conv3x3(out, parameters.get(`${name}.conv2.weight`), 1)));
  if (halve) out = averagePool2(out);
  out = norm(`${name}.norm3`, conv1x1('conv3', out));
  let identity = x;
  if (parameters.has(`${name}.shortcut.weight`)) {
    identity = norm(`${name}.shortcutNorm`, conv1x1('shortcut', halve ? averagePool2(x) : x));
  }
  return tf.relu(tf.add(out, identity));
}

function batchNorm(
  parameters: Parameters,
  name: string,
  x: tf.Tensor4D,
  { batchNormEpsilon }: ResNetConfig,
  collect?: BatchStatistics[],
): tf.Tensor4D {
  const gain = parameters.get(`${name}.gain`);
  const bias = parameters.get(`${name}.bias`);
  if (!collect) {
    // One multiply and one add per element.
    const inverse = tf.rsqrt(tf.add(parameters.get(`${name}.variance`), batchNormEpsilon));
    const scale = tf.mul(gain, inverse);
    const shift = tf.sub(bias, tf.mul(parameters.get(`${name}.mean`), scale));
    return tf.add(tf.mul(x, scale), shift);
  }
  const mean = tf.mean(x, [0, 1, 2]) as tf.Tensor1D;
  const centered = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centered), [0, 1, 2]) as tf.Tensor1D;
  const count = x.size / mean.size;
  collect.push({
    name,
    mean: tf.keep(tf.clone(mean)),
    variance: tf.keep(tf.mul(variance, count / Math.max(1, count - 1))),
  });
  const normalized = tf.mul(centered, tf.rsqrt(tf.add(variance, batchNormEpsilon)));
  return tf.add(tf.mul(normalized, gain), bias);
}

/** One query, the mean of all positions, attends to the mean and every position. */
function attentionPool(parameters: Parameters, nHead: number, x: tf.Tensor4D): tf.Tensor2D {
  const [batch, height, width, channels] = x.shape;
  const headDim = channels / nHead;
  const positions = tf.reshape(x, [batch, height * width, channels]);
  const mean = tf.mean(positions, 1, true);
  const tokens = tf.add(tf.concat([mean, positions], 1), parameters.get('vision.attentionPool.position'));
  const length = height * width + 1;
  const project = (part: string, input: tf.Tensor): tf.Tensor =>
    linear(
      input,
      parameters.get(`vision.attentionPool.${part}.weight`),
      parameters.get(`vision.attentionPool.${part}.bias`),
      { transposeWeight: true },
    );
  const heads = (input: tf.Tensor, n: number) =>
    tf.transpose(tf.reshape(input, [batch, n, nHead, headDim]), [0, 2, 1, 3]); // [batch, heads, n, headDim]
  const query = heads(project('query', tf.slice(tokens, [0, 0, 0], [batch, 1, channels])), 1);
  const key = heads(project('key', tokens), length);
  const value = heads(project('value', tokens), length);
  const weights = softmax(tf.mul(tf.matMul(query, key, false, true), headDim ** -0.5));
  const attended = tf.reshape(tf.transpose(tf.matMul(weights, value), [0, 2, 1, 3]), [batch, channels]);
  return project('out', attended) as tf.Tensor2D;
}

/** Moves the running statistics towards the batch's, and frees these. */
export function updateRunningStatistics(
  parameters: Parameters,
  statistics: readonly BatchStatistics[],
  momentum: number,
): void {
  for (const { name, mean, variance } of statistics) {
    for (const [part, value] of [
      ['mean', mean],
      ['variance', variance],
    ] as const) {
      const running = parameters.get(`${name}.${part}`);
      const next = tf.tidy(() => tf.add(tf.mul(running, 1 - momentum), tf.mul(value, momentum)));
      running.assign(next);
      next.dispose();
      value.dispose();
    }
  }
}
