import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { nodeBackend } from '../src/executors/tensorflow/session.js';
import { capture, inOneCall, softmax } from '../src/index.js';
import { expectNoLeak, expectTensorClose, setupBackend } from '../src/testing/index.js';

let native = false;
beforeAll(async () => {
  await setupBackend();
  native = nodeBackend() !== undefined;
});

const normal = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
/** Enough for a graph at the second call. */
const work = 2 ** 23;
const sessions = () =>
  (tf.backend() as unknown as { binding: { getNumOfSavedModels(): number } }).binding.getNumOfSavedModels();

describe('inOneCall', () => {
  it('builds a graph at the second call, and calls the function no more from then on', async () => {
    const inputs = [normal([2, 3, 4], 1), normal([2, 5, 4], 2), tf.tensor1d([0, 1, 0, 1, 1], 'int32')];
    let calls = 0;
    const fn = (a: tf.Tensor, b: tf.Tensor, seen: tf.Tensor) => {
      calls += 1;
      const scores = tf.matMul(a, b, false, true);
      return tf.matMul(softmax(tf.add(scores, tf.mul(tf.sub(tf.cast(seen, 'float32'), 1), 1e9))), b);
    };
    const run = () => inOneCall(fn as never, inputs, { key: 'attend', work });
    const expected = tf.tidy(() => fn(inputs[0]!, inputs[1]!, inputs[2]!));
    for (let i = 0; i < 5; i++) {
      const output = await expectNoLeak(() => tf.tidy(run));
      await expectTensorClose(output, expected, { atol: 1e-6, rtol: 1e-6 });
      output.dispose();
    }
    expect(calls).toBe(native ? 3 : 6);
    tf.dispose([...inputs, expected]);
  });

  it('reads the values of each call, with results that outlive inputs, and tells shapes and types apart', async () => {
    const fn = (x: tf.Tensor) => tf.tidy(() => tf.add(tf.mul(tf.cast(x, 'float32'), 2), 1));
    for (let i = 0; i < 4; i++) {
      for (const [values, shape, dtype] of [
        [[i, 2], [2], 'float32'],
        [[i, 2], [2, 1], 'float32'],
        [[i, 2], [2], 'int32'],
        [[true, i > 1], [2], 'bool'],
      ] as const) {
        const x = tf.tensor(values as never, [...shape], dtype);
        const y = inOneCall(fn, [x], { key: 'double', work });
        x.dispose();
        expect(y.shape).toEqual(shape);
        await expectTensorClose(y, [2 * Number(values[0]) + 1, 2 * Number(values[1]) + 1]);
        y.dispose();
      }
    }
  });

  it('takes tensors of other backends, variables, and results of captured functions', async () => {
    const fn = (x: tf.Tensor, y: tf.Tensor) => tf.tidy(() => tf.mul(tf.exp(x), y));
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const double = capture((x: tf.Tensor) => tf.mul(x, 2));
    for (let i = 0; i < 4; i++) {
      const y = await double(tf.tensor1d([i, i]));
      variable.assign(tf.tensor1d([i, 0]));
      const out = inOneCall(fn, [variable, y], { key: 'variable', work });
      await expectTensorClose(out, [Math.exp(i) * 2 * i, 2 * i]);
    }
    double.dispose();
    variable.dispose();
  });

  it('leaves alone what cannot be a graph', async () => {
    const x = tf.tensor1d([1, 2]);
    const scale = tf.variable(tf.scalar(3));
    const fns: [string, (x: tf.Tensor) => tf.Tensor][] = [
      ['reads values', (x) => tf.tidy(() => tf.mul(x, x.dataSync()[1]!))],
      ['reads a variable', (x) => tf.tidy(() => tf.mul(x, scale))],
    ];
    for (const [key, fn] of fns) {
      for (let i = 1; i < 5; i++) {
        scale.assign(tf.scalar(2 * i));
        const y = inOneCall(fn, [x], { key, work });
        await expectTensorClose(y, key === 'reads values' ? [2, 4] : [2 * i, 4 * i]);
        y.dispose();
      }
    }
    const throws = () => {
      throw new TypeError('from the function');
    };
    for (let i = 0; i < 3; i++) {
      expect(() => inOneCall(throws, [x], { key: 'throws', work })).toThrow('from the function');
    }
    tf.dispose([x, scale]);
  });

  it('is part of the graph inside a captured function', async () => {
    const inner = (x: tf.Tensor) => inOneCall((y) => tf.square(y), [x], { key: 'square', work });
    const outer = capture((x: tf.Tensor) => tf.add(inner(x), 1));
    for (let i = 0; i < 3; i++) await expectTensorClose(await outer(tf.tensor1d([i, 2])), [i * i + 1, 5]);
    outer.dispose();
  });

  it('has the gradient of its function, and serves the forward pass of a custom one', async () => {
    let calls = 0;
    const square = (x: tf.Tensor) =>
      inOneCall(
        (y) => {
          calls += 1;
          return tf.square(y);
        },
        [x],
        { key: 'squared', work },
      );
    const custom = tf.customGrad((x, save) => {
      (save as tf.GradSaveFunc)([x as tf.Tensor]);
      const gradFunc = (dy: tf.Tensor, [x]: tf.Tensor[]) => tf.mul(dy, tf.mul(x!, 2));
      return { value: square(x as tf.Tensor), gradFunc };
    });
    const x = tf.tensor1d([1, -3]);
    for (const fn of [square, custom]) {
      calls = 0;
      for (let i = 0; i < 4; i++) {
        square(x).dispose();
        const gradient = tf.grad((x) => tf.sum(tf.add(fn(x), fn(x))))(x);
        await expectTensorClose(gradient, [4, -12]);
        gradient.dispose();
      }
      if (native) expect(calls).toBe(fn === square ? 10 : 0);
    }
    x.dispose();
  });

  it('keeps a bounded number of graphs, and no tensor, over 1,000 calls', async () => {
    const before = tf.memory().numTensors;
    for (let i = 0; i < 1000; i++) {
      const x = tf.ones([1 + Math.floor(i / 50)]);
      const y = inOneCall((x) => tf.sum(tf.square(x)), [x], { key: 'many', work });
      if (i % 50 === 0) await expectTensorClose(y, [x.size]);
      tf.dispose([x, y]);
    }
    expect(tf.memory().numTensors).toBe(before);
    if (native) expect(sessions()).toBeLessThanOrEqual(16);
  });
});
