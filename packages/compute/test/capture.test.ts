import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { capture } from '../src/index.js';
import { setupBackend } from '../src/testing/setup.js';
import { executors } from './executors.js';

beforeAll(async () => {
  await setupBackend();
});

function values(shape: number[], seed: number): tf.Tensor {
  return tf.randomNormal(shape, 0, 1, 'float32', seed);
}

function regression(w: tf.Variable, b: tf.Variable) {
  return (x: tf.Tensor, y: tf.Tensor, learningRate: tf.Tensor) => {
    const { value, grads } = tf.variableGrads(
      () =>
        tf.mean(
          tf.square(tf.sub(tf.add(tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D), b), y)),
        ) as tf.Scalar,
      [w, b],
    );
    for (const v of [w, b]) v.assign(tf.sub(v, tf.mul(grads[v.name]!, learningRate)));
    return { loss: value };
  };
}

describe.each(executors)('capture on %s', (executor) => {
  it('trains like the eager function, variables and losses', async () => {
    const [x, y] = [values([16, 8], 3), values([16, 4], 4)];
    const start = values([8, 4], 1);
    const captured = [tf.variable(start), tf.variable(tf.zeros([4]))] as const;
    const eager = [tf.variable(tf.clone(start)), tf.variable(tf.zeros([4]))] as const;
    const step = capture(regression(...captured), { executor });
    const reference = regression(...eager);
    for (let i = 0; i < 5; i++) {
      const { loss } = await step(x, y, 0.1);
      const expected = tf.tidy(() => reference(x, y, tf.scalar(0.1)).loss.dataSync()[0]!);
      expect(loss.dataSync()[0]! / expected).toBeCloseTo(1, 5);
      loss.dispose();
    }
    const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(captured[0], eager[0]))).dataSync()[0]!);
    expect(difference).toBeLessThan(1e-5);
    expect(step.traceCount).toBe(1);
    step.dispose();
    tf.dispose([x, y, start, ...captured, ...eager]);
  });
});
