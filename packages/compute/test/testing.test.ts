import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  checkGradients,
  expectNoLeak,
  expectTensorClose,
  setupBackend,
  testBackend,
} from '../src/testing/index.js';
import '../src/index.js';

beforeAll(setupBackend);

describe('test helpers', () => {
  it('run on the backend that was asked for', () => {
    expect(tf.getBackend()).toBe(testBackend());
  });

  it('expectTensorClose names the first and the worst element', async () => {
    const t = tf.tensor2d([1, 2, 3, Number.NaN], [2, 2]);
    await expect(
      expectTensorClose(t, [
        [1, 2.1],
        [9, Number.NaN],
      ]),
    ).rejects.toThrow(/2 of 4 .*first \[0, 1\] is 2, expected 2.1 .*worst \[1, 0\] is 3, expected 9/);
    await expect(expectTensorClose(t, [[1, 2, 3]])).rejects.toThrow('shape [2,2] is not the expected [1,3]');
    await expect(expectTensorClose(t, [1, 2, 3, Infinity])).rejects.toThrow('1 of 4');
    await expectTensorClose(t, [1, 2, 3, Number.NaN]);
    t.dispose();
  });

  it('expectNoLeak sees leaks, also past a throw, and lets returned tensors live', async () => {
    const leaked: tf.Tensor[] = [];
    await expect(expectNoLeak(() => void leaked.push(tf.zeros([1])))).rejects.toThrow('1 tensor(s) more');
    const thrower = () => {
      leaked.push(tf.zeros([1]));
      throw new Error('boom');
    };
    await expect(expectNoLeak(thrower)).rejects.toThrow(/1 tensor\(s\).*threw Error: boom/);
    tf.dispose(await expectNoLeak(() => ({ a: tf.zeros([1]), b: [tf.ones([2])] })));
    tf.dispose(leaked);
  });

  it('checkGradients accepts a right gradient and rejects wrong ones', async () => {
    const x = tf.tensor1d([0.3, -0.7, 1.1]);
    await expectNoLeak(() => checkGradients((a) => tf.square(a!), [x]));
    const wrong = tf.customGrad((a) => ({
      value: tf.square(a as tf.Tensor),
      gradFunc: (dy) => tf.mul(dy, a as tf.Tensor),
    }));
    await expect(checkGradients((a) => wrong(a!), [x])).rejects.toThrow(/gradient of input 0/);
    x.dispose();
  });
});
