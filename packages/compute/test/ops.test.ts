import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  causalSoftmax,
  clipByGlobalNorm,
  dropout,
  embedding,
  gelu,
  globalNorm,
  InvalidArgumentError,
  layerNorm,
  linear,
  logSoftmax,
  quickGelu,
  softmax,
  softmaxCrossEntropy,
  statelessUniform,
} from '../src/index.js';
import { checkGradients, expectNoLeak, expectTensorClose, setupBackend } from '../src/testing/index.js';

beforeAll(setupBackend);

const normal = (shape: number[], seed: number, mean = 0, std = 1) =>
  tf.randomNormal(shape, mean, std, 'float32', seed);
const ids = (values: number[], shape: number[] = [values.length]) => tf.tensor(values, shape, 'int32');

describe('gradients against finite differences, second use in one tape included', () => {
  const cases: Record<string, [(...x: tf.Tensor[]) => tf.Tensor, () => tf.Tensor[]]> = {
    'layerNorm 3-D': [
      (x, g, b) => layerNorm(x!, g as tf.Tensor1D, b as tf.Tensor1D),
      () => [normal([2, 3, 8], 1, 0.5, 2), normal([8], 2, 1, 0.3), normal([8], 3)],
    ],
    'layerNorm, one row': [
      (x, g, b) => layerNorm(x!, g as tf.Tensor1D, b as tf.Tensor1D, 1e-3),
      () => [normal([5], 4), normal([5], 5), normal([5], 6)],
    ],
    'gelu tanh': [(x) => gelu(x!), () => [normal([4, 7], 7, 0, 2)]],
    'gelu none': [(x) => gelu(x!, 'none'), () => [normal([4, 7], 8, 0, 2)]],
    quickGelu: [(x) => quickGelu(x!), () => [normal([4, 7], 9, 0, 2)]],
    'softmaxCrossEntropy mean': [
      (x) => softmaxCrossEntropy(x!, ids([1, 0, -100, 4, 2, 2], [2, 3])),
      () => [normal([2, 3, 5], 10, 0, 2)],
    ],
    'softmaxCrossEntropy none': [
      (x) => softmaxCrossEntropy(x!, ids([3, 0, 1]), { reduction: 'none', ignoreIndex: 0 }),
      () => [normal([3, 5], 11, 0, 2)],
    ],
    'causalSoftmax square': [
      (x) => causalSoftmax(x!, { scale: 0.5 }),
      () => [normal([2, 2, 4, 4], 12, 0, 2)],
    ],
    'causalSoftmax with past keys': [(x) => causalSoftmax(x!), () => [normal([2, 3, 6], 13, 0, 2)]],
    softmax: [(x) => softmax(x!), () => [normal([3, 6], 14, 0, 2)]],
    logSoftmax: [(x) => logSoftmax(x!), () => [normal([3, 6], 15, 0, 2)]],
    'linear with bias': [
      (x, w, b) => linear(x!, w as tf.Tensor2D, b as tf.Tensor1D),
      () => [normal([2, 3, 4], 16), normal([4, 5], 17), normal([5], 18)],
    ],
    'linear, no bias': [
      (x, w) => linear(x!, w as tf.Tensor2D),
      () => [normal([3, 4], 19), normal([4, 5], 20)],
    ],
    'linear, transposed weight': [
      (x, w, b) => linear(x!, w as tf.Tensor2D, b as tf.Tensor1D, { transposeWeight: true }),
      () => [normal([2, 3, 4], 21), normal([5, 4], 22), normal([5], 23)],
    ],
    'dropout at a fixed seed': [(x) => dropout(x!, 0.4, 99), () => [normal([5, 6], 24)]],
    'embedding, repeated rows': [
      (t) => embedding(t as tf.Tensor2D, ids([1, 3, 1, 1, 0, 5], [2, 3])),
      () => [normal([6, 4], 25)],
    ],
    'tied table: embedding and output layer': [
      (t) =>
        linear(embedding(t as tf.Tensor2D, ids([2, 0, 2])), t as tf.Tensor2D, null, {
          transposeWeight: true,
        }),
      () => [normal([4, 3], 26, 0, 0.7)],
    ],
    'stock tf.gather': [(t) => tf.gather(t!, ids([2, 0, 2]) as tf.Tensor1D), () => [normal([4, 3], 27)]],
  };

  it.each(Object.entries(cases))('%s', async (_, [fn, make]) => {
    const inputs = make();
    await checkGradients((...x) => tf.tidy(() => fn(...x)), inputs);
    tf.dispose(inputs);
  });
});
