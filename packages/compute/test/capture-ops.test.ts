import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  capture,
  causalSoftmax,
  dropout,
  embedding,
  gelu,
  layerNorm,
  linear,
  quickGelu,
  softmaxCrossEntropy,
  statelessUniform,
} from '../src/index.js';
import { graphExecutors } from './executors.js';

beforeAll(async () => {
  // The reference must have every kernel: wasm lacks some.
  await tf.setBackend('cpu');
});

let seed = 0;
const normal = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', ++seed);
const positive = (...shape: number[]) => tf.randomUniform(shape, 0.1, 2, 'float32', ++seed);
const ints = (max: number, ...shape: number[]) => tf.randomUniform(shape, 0, max, 'int32', ++seed);

type Case = [name: string, fn: (...x: never[]) => unknown, inputs: () => tf.Tensor[], onlyTensorFlow?: true];

const unary: [string, (x: tf.Tensor) => tf.Tensor][] = Object.entries({
  abs: tf.abs, neg: tf.neg, exp: tf.exp, expm1: tf.expm1, sin: tf.sin, cos: tf.cos, tan: tf.tan, atan: tf.atan,
  sinh: tf.sinh, cosh: tf.cosh, tanh: tf.tanh, asinh: tf.asinh, erf: tf.erf, sigmoid: tf.sigmoid, relu: tf.relu,
  relu6: tf.relu6, elu: tf.elu, selu: tf.selu, softplus: tf.softplus, square: tf.square, sign: tf.sign,
  floor: tf.floor, ceil: tf.ceil, round: tf.round, step: tf.step, leakyRelu: tf.leakyRelu,
}); // biome-ignore format: a table
const ofPositive: [string, (x: tf.Tensor) => tf.Tensor][] = Object.entries({
  log: tf.log, log1p: tf.log1p, sqrt: tf.sqrt, rsqrt: tf.rsqrt, reciprocal: tf.reciprocal, acosh: (x) => tf.acosh(tf.add(x, 1)),
}); // biome-ignore format: a table
const binary: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][] = Object.entries({
  add: tf.add, sub: tf.sub, mul: tf.mul, div: tf.div, maximum: tf.maximum, minimum: tf.minimum, mod: tf.mod,
  squaredDifference: tf.squaredDifference, less: tf.less, greaterEqual: tf.greaterEqual, equal: tf.equal,
  notEqual: tf.notEqual,
}); // biome-ignore format: a table

const cases: Case[] = [
  ...unary.map(([name, fn]): Case => [name, fn as never, () => [normal(3, 4)]]),
  ...ofPositive.map(([name, fn]): Case => [name, fn as never, () => [positive(3, 4)]]),
  ...binary.map(([name, fn]): Case => [`${name}, broadcast`, fn as never, () => [normal(3, 1, 4), positive(2, 1)]]),
  ['pow', (a: tf.Tensor, b: tf.Tensor) => tf.pow(a, b), () => [positive(5), normal(5)]],
  ['atan2', (a: tf.Tensor, b: tf.Tensor) => tf.atan2(a, b), () => [normal(5), normal(5)], true],
  ['int arithmetic', (a: tf.Tensor, b: tf.Tensor) => tf.floorDiv(tf.mod(tf.mul(tf.add(a, b), a), tf.scalar(7, 'int32')), tf.scalar(2, 'int32')), () => [ints(9, 6), ints(9, 6)]],
  ['clip', (x: tf.Tensor) => tf.clipByValue(x, -0.5, 0.7), () => [normal(9)]],
  ['where', (a: tf.Tensor, b: tf.Tensor) => tf.where(tf.greater(a, b), a, b), () => [normal(3, 4), normal(4)]],
  ['logic', (a: tf.Tensor) => tf.logicalOr(tf.logicalAnd(tf.greater(a, 0), tf.less(a, 1)), tf.logicalNot(tf.less(a, 2))), () => [normal(9)]],
  ['isNaN', (a: tf.Tensor) => tf.isNaN(tf.div(a, 0)), () => [tf.tensor1d([0, 1, -1])]],
  ['cast', (a: tf.Tensor) => [tf.cast(a, 'int32'), tf.cast(tf.greater(a, 0), 'float32'), tf.cast(a, 'bool')], () => [normal(9)]],
  ['zerosLike, onesLike, fill', (a: tf.Tensor) => [tf.zerosLike(a), tf.onesLike(a), tf.add(tf.fill([5, 5], 2.5), tf.zeros([5, 5]))], () => [normal(5, 4)]],
  ['reductions', (x: tf.Tensor) => [tf.sum(x), tf.mean(x, 0), tf.max(x, [1], true), tf.min(x, -1), tf.prod(x, 2), tf.sum(x, [0, 2])], () => [normal(2, 3, 4)]],
  ['any, all', (x: tf.Tensor) => [tf.any(tf.greater(x, 1), 0), tf.all(tf.greater(x, -1), 1)], () => [normal(4, 4)]],
  ['argmax, argmin', (x: tf.Tensor) => [tf.argMax(x, -1), tf.argMin(x, 0)], () => [normal(4, 5)]],
  ['softmax, logSoftmax', (x: tf.Tensor) => [tf.softmax(x), tf.logSoftmax(x), tf.logSumExp(x, 1)], () => [normal(4, 5)]],
  ['cumsum', (x: tf.Tensor) => [tf.cumsum(x, 1), tf.cumsum(x, 0, true), tf.cumsum(x, 1, false, true)], () => [normal(4, 5)]],
  ['topk', (x: tf.Tensor) => { const t = tf.topk(x, 3); return [t.values, t.indices]; }, () => [normal(4, 9)]],
  ['matMul', (a: tf.Tensor2D, b: tf.Tensor2D) => tf.matMul(a, b, false, true), () => [normal(4, 6), normal(5, 6)]],
  ['matMul, many rows', (a: tf.Tensor2D, b: tf.Tensor2D) => tf.relu(tf.matMul(a, b, false, true)), () => [normal(20, 6), normal(5, 6)]],
  ['matMul, both transposed', (a: tf.Tensor2D, b: tf.Tensor2D) => tf.matMul(a, b, true, true), () => [normal(6, 4), normal(5, 6)]],
  ['matMul, batches', (a: tf.Tensor3D, b: tf.Tensor3D) => tf.matMul(a, b, true), () => [normal(2, 3, 6, 4), normal(2, 3, 6, 5)]],
  ['fused matMul', (a: tf.Tensor2D, b: tf.Tensor2D, bias: tf.Tensor) => tf.fused.matMul({ a, b, bias, activation: 'relu' }), () => [normal(4, 6), normal(6, 5), normal(5)]],
  ['einsum', (a: tf.Tensor, b: tf.Tensor) => tf.einsum('bqhd,bkhd->bhqk', a, b), () => [normal(2, 5, 3, 4), normal(2, 6, 3, 4)]],
  ['reshape, transpose, expandDims, squeeze', (x: tf.Tensor) => tf.squeeze(tf.expandDims(tf.transpose(tf.reshape(x, [3, -1, 2]), [2, 0, 1]), 1), [1]), () => [normal(4, 6)]],
  ['moves that undo each other', (x: tf.Tensor) => {
    const back = tf.transpose(tf.transpose(x, [1, 2, 0]), [2, 0, 1]);
    const twice = tf.transpose(tf.transpose(x, [1, 2, 0]), [1, 2, 0]);
    return [back, tf.reshape(tf.reshape(back, [6, -1]), [2, 3, 4]), tf.reshape(twice, [24]), tf.mul(tf.reshape(tf.reshape(back, [24]), [8, 3]), 2)];
  }, () => [normal(2, 3, 4)]],
  ['slice', (x: tf.Tensor) => [tf.slice(x, [1, 2], [2, -1]), tf.stridedSlice(x, [0, 4], [4, 0], [2, -1])], () => [normal(4, 6)]],
  ['concat, stack, unstack, split', (a: tf.Tensor, b: tf.Tensor) => [tf.concat([a, b], 1), tf.stack([a, b], -1), ...tf.unstack(a, 1), ...tf.split(b, [1, 2], 1)], () => [normal(4, 3), normal(4, 3)]],
  ['tile, broadcastTo', (x: tf.Tensor) => [tf.tile(x, [2, 3]), tf.broadcastTo(tf.reshape(x, [2, 1, 3]), [2, 4, 3])], () => [normal(2, 3)]],
  ['pad, mirrorPad, reverse', (x: tf.Tensor) => [tf.pad(x, [[1, 0], [2, 3]], 5), tf.mirrorPad(x, [[1, 1], [0, 2]], 'reflect'), tf.reverse(x, [1])], () => [normal(4, 5)]],
  ['gather', (x: tf.Tensor, i: tf.Tensor) => [tf.gather(x, i as tf.Tensor2D), tf.gather(x, i as tf.Tensor2D, 1)], () => [normal(6, 7), ints(6, 2, 3)]],
  ['gather, batchDims', (x: tf.Tensor, i: tf.Tensor) => tf.gather(x, i as tf.Tensor2D, 1, 1), () => [normal(2, 7), ints(6, 2, 3)]],
  ['gatherND, scatterND', (x: tf.Tensor, i: tf.Tensor) => [tf.gatherND(x, i), tf.scatterND(i, tf.gatherND(x, i), [6, 7])], () => [normal(6, 7), ints(6, 4, 2)]],
  ['tensorScatterUpdate', (x: tf.Tensor, i: tf.Tensor) => tf.tensorScatterUpdate(x, i, tf.zeros([2, 7])), () => [normal(6, 7), tf.tensor2d([[1], [4]], [2, 1], 'int32')]],
  ['unsortedSegmentSum', (x: tf.Tensor, i: tf.Tensor) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 5), () => [normal(8, 3), ints(5, 8)]],
  ['oneHot', (i: tf.Tensor) => [tf.oneHot(i, 5), tf.oneHot(tf.sub(i, tf.scalar(1, 'int32')), 4, 2, -1, 'float32')], () => [ints(5, 6)]],
  ['bandPart', (x: tf.Tensor) => [tf.linalg.bandPart(x as tf.Tensor2D, -1, 0), tf.linalg.bandPart(x as tf.Tensor2D, 1, 2)], () => [normal(5, 5)]],
  ['range, linspace', (x: tf.Tensor) => tf.add(x, tf.add(tf.range(0, 5, 1, 'float32'), tf.linspace(0, 1, 5))), () => [normal(5)]],
  ['conv2d, same', (x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2d(x, w, 2, 'same'), () => [normal(2, 7, 8, 3), normal(3, 3, 3, 4)]],
  ['conv2d, padding', (x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2d(x, w, 1, 2), () => [normal(1, 6, 6, 3), normal(3, 3, 3, 4)]],
  ['depthwiseConv2d', (x: tf.Tensor4D, w: tf.Tensor4D) => tf.depthwiseConv2d(x, w, 1, 'valid'), () => [normal(1, 6, 6, 3), normal(3, 3, 3, 2)]],
  ['pools', (x: tf.Tensor4D) => [tf.maxPool(x, 3, 2, 'same'), tf.avgPool(x, 2, 2, 'valid'), tf.maxPool(x, 3, 2, 1)], () => [normal(2, 7, 7, 3)]],
  ['resizeBilinear', (x: tf.Tensor4D) => tf.image.resizeBilinear(x, [9, 5], false, true), () => [normal(1, 6, 6, 3)]],
  ['batchNorm', (x: tf.Tensor4D, m: tf.Tensor1D, v: tf.Tensor1D) => tf.batchNorm(x, m, v, m, v, 1e-3), () => [normal(2, 3, 3, 4), normal(4), positive(4)]],
  ['norm', (x: tf.Tensor) => [tf.norm(x), tf.norm(x, 'euclidean', 1)], () => [normal(3, 4)]],
  ['moments', (x: tf.Tensor) => { const m = tf.moments(x, [1], true); return [m.mean, m.variance]; }, () => [normal(3, 4)]],
  ['fused ops', (x: tf.Tensor, g: tf.Tensor1D) => [layerNorm(x, g, g), gelu(x), gelu(x, 'none'), quickGelu(x), causalSoftmax(tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, false, true))], () => [normal(5, 4), positive(4)]],
  ['stateless random', (s: tf.Tensor, x: tf.Tensor) => [statelessUniform([3, 5], s), statelessUniform([7], 12), dropout(x, 0.3, tf.add(s, tf.scalar(5, 'int32')))], () => [tf.scalar(42, 'int32'), normal(6, 6)]],
  ['gradient of a transformer step', (x: tf.Tensor2D, w: tf.Tensor2D, labels: tf.Tensor) => tf.grads((...args) => {
    const [a, b] = args as [tf.Tensor2D, tf.Tensor2D];
    const h = gelu(linear(layerNorm(a, tf.ones([4]) as tf.Tensor1D, tf.zeros([4]) as tf.Tensor1D), b));
    const p = causalSoftmax(tf.matMul(h as tf.Tensor2D, h as tf.Tensor2D, false, true), { scale: 0.5 });
    return softmaxCrossEntropy(tf.matMul(p, h as tf.Tensor2D), labels);
  })([x, w]), () => [normal(5, 4), normal(4, 6), tf.tensor1d([1, -100, 3, 5, 0], 'int32')]],
  ['gradient of gathers', (w: tf.Tensor2D, i: tf.Tensor) => tf.grad((t) => tf.sum(tf.square(tf.add(tf.gather(t, i as tf.Tensor1D), embedding(t as tf.Tensor2D, i)))))(w), () => [normal(6, 3), ints(6, 9)]],
  ['gradients of slices', (x: tf.Tensor) => tf.grad((t) => tf.sum(tf.square(tf.add(tf.slice(t, [1, 0], [2, 3]), tf.concat(tf.split(tf.slice(t, [0, 3], [2, 3]), 3, 1).reverse(), 1)))))(x), () => [normal(3, 6)]],
  ['gradients of conv and pool', (x: tf.Tensor4D, w: tf.Tensor4D) => tf.grads((a, b) => tf.sum(tf.square(tf.avgPool(tf.maxPool(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 2, 'same'), 2, 2, 'valid'), 2, 1, 'valid'))))([x, w]), () => [normal(2, 9, 9, 3), normal(3, 3, 3, 4)], true],
  ['gradient of conv input', (x: tf.Tensor4D, w: tf.Tensor4D) => tf.grad((a) => tf.sum(tf.square(tf.conv2d(a as tf.Tensor4D, w, 2, 'same'))))(x), () => [normal(2, 9, 8, 3), normal(3, 3, 3, 4)]],
]; // biome-ignore format: a table

function flatten(result: unknown): tf.Tensor[] {
  return (Array.isArray(result) ? result : [result]) as tf.Tensor[];
}

describe.each(graphExecutors)('operations on %s', (executor) => {
  afterAll(() => tf.disposeVariables());

  it.each(cases)('%s', async (_name, fn, inputs, onlyTensorFlow) => {
    const args = inputs();
    const captured = capture(fn as unknown as (...x: tf.Tensor[]) => unknown, { executor });
    if (onlyTensorFlow && executor !== 'tensorflow') {
      await expect(captured(...args)).rejects.toThrow(/onnx|ONNX/);
      return;
    }
    const before = tf.memory().numTensors;
    const actual = flatten(await captured(...args));
    const expected = tf.tidy(() => {
      const out = flatten((fn as unknown as (...x: tf.Tensor[]) => unknown)(...args));
      return out.map((t) => ({ shape: t.shape, dtype: t.dtype, values: t.dataSync() }));
    });
    expect(actual.length).toBe(expected.length);
    for (const [i, tensor] of actual.entries()) {
      const { shape, dtype, values } = expected[i]!;
      expect(tensor.shape).toEqual(shape);
      expect(tensor.dtype).toBe(dtype);
      const got = tensor.dataSync();
      for (let k = 0; k < values.length; k++) {
        const [a, e] = [got[k]!, values[k]!];
        const close =
          Object.is(a, e) ||
          a === e ||
          (Number.isNaN(a) && Number.isNaN(e)) ||
          Math.abs(a - e) <= 2e-5 + 2e-5 * Math.abs(e);
        if (!close) expect.fail(`result ${i}, element ${k}: ${a} instead of ${e}`);
      }
      tensor.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
    captured.dispose();
    tf.dispose(args);
  });
});

describe('executors', () => {
  it.skipIf(graphExecutors.length === 0)('at least one runs the operations above', () => {
    expect(graphExecutors.length).toBeGreaterThan(0);
  });
});
