import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AdamW,
  clipFactor,
  GradientAccumulator,
  globalNorm,
  InvalidArgumentError,
  linear,
  OptimizerStateError,
  SGD,
  softmaxCrossEntropy,
  vectorsOnly,
} from '../src/index.js';
import { expectNoLeak, expectTensorClose, setupBackend } from '../src/testing/index.js';

beforeAll(setupBackend);

const variables = () => ({
  w: tf.tidy(() => tf.variable(tf.randomNormal([4, 3], 0, 1, 'float32', 1))),
  b: tf.tidy(() => tf.variable(tf.zeros([3]))),
});
type Variables = ReturnType<typeof variables>;
const free = (v: Variables) => tf.dispose([v.w, v.b]);

/** Mean cross entropy over rows whose label counts. */
const lossOf = (v: Variables, x: tf.Tensor, y: tf.Tensor) =>
  softmaxCrossEntropy(linear(x, v.w, v.b), y) as tf.Scalar;

const gradientsOf = (v: Variables, x: tf.Tensor, y: tf.Tensor) => {
  const { value, grads } = tf.variableGrads(() => lossOf(v, x, y), [v.w, v.b]);
  value.dispose();
  return grads;
};

describe('training', () => {
  it.each(['AdamW', 'SGD'])('%s learns a separable problem, and its memory is flat', async (kind) => {
    const v = variables();
    const x = tf.randomNormal([32, 4], 0, 1, 'float32', 2);
    const y = tf.tidy(() =>
      tf.argMax(tf.matMul(x as tf.Tensor2D, tf.randomNormal([4, 3], 0, 1, 'float32', 3)), 1),
    );
    const optimizer =
      kind === 'AdamW' ? new AdamW(v, { learningRate: 0.1 }) : new SGD(v, { learningRate: 1, momentum: 0.9 });
    const step = () => {
      const grads = gradientsOf(v, x, y);
      const norm = globalNorm(grads);
      const scale = clipFactor(norm, 1);
      optimizer.applyGradients(grads, { scale });
      tf.dispose([grads, norm, scale]);
    };
    const before = lossOf(v, x, y);
    await expectNoLeak(() => {
      for (let i = 0; i < 60; i++) step();
    });
    const after = lossOf(v, x, y);
    expect((await after.data())[0]).toBeLessThan(0.3 * (await before.data())[0]!);
    optimizer.dispose();
    tf.dispose([before, after, x, y]);
    free(v);
  });

  it('micro-batches of unequal token counts equal one large batch', async () => {
    const v = variables();
    const x = tf.randomNormal([6, 4], 0, 1, 'float32', 4) as tf.Tensor2D;
    const labels = [0, -100, 2, 1, -100, -100];
    const all = gradientsOf(v, x, tf.tensor1d(labels, 'int32'));
    const micro = new GradientAccumulator();
    await expectNoLeak(() => {
      for (const [from, count] of [
        [0, 1],
        [1, 3],
        [4, 2],
      ] as const) {
        const part = labels.slice(from, from + count);
        const tokens = part.filter((label) => label !== -100).length;
        if (tokens === 0) continue;
        tf.tidy(() => {
          const slice = tf.slice(x, [from, 0], [count, 4]);
          micro.add(gradientsOf(v, slice, tf.tensor1d(part, 'int32')), tokens);
        });
      }
      expect(micro.weight).toBe(3);
      const mean = micro.take();
      return Promise.all(
        Object.entries(mean).map(([name, g]) => expectTensorClose(g, all[name]!, { atol: 1e-6 })),
      ).then(() => tf.dispose(mean));
    });
    expect(micro.weight).toBe(0);
    tf.dispose([x, all]);
    free(v);
  });

  it('decay spares the variables that noDecay names or tests', async () => {
    const run = async (noDecay: string[] | typeof vectorsOnly) => {
      const v = { w: tf.variable(tf.ones([2, 2])), b: tf.variable(tf.ones([2])) };
      const optimizer = new AdamW(v, { learningRate: 0.1, weightDecay: 1, noDecay });
      const zero = { w: tf.zeros([2, 2]), b: tf.zeros([2]) };
      optimizer.applyGradients(zero);
      const values = [(await v.w.data())[0]!, (await v.b.data())[0]!];
      optimizer.dispose();
      tf.dispose([v.w, v.b, zero.w, zero.b]);
      return values.map((x) => Math.round(x * 10) / 10);
    };
    expect(await run([])).toEqual([0.9, 0.9]);
    expect(await run(['b'])).toEqual([0.9, 1]);
    expect(await run(['w'])).toEqual([1, 0.9]);
    expect(await run(vectorsOnly)).toEqual([0.9, 1]);
  });

  it('takes learning rate and scale as tensors, with the same result', async () => {
    const results: Float32Array[] = [];
    for (const asTensor of [false, true]) {
      const v = variables();
      const optimizer = new AdamW(v);
      const grads = { w: tf.ones([4, 3]), b: tf.ones([3]) };
      const [rate, scale] = [tf.scalar(0.25), tf.scalar(0.5)];
      optimizer.applyGradients(
        grads,
        asTensor ? { learningRate: rate, scale } : { learningRate: 0.25, scale: 0.5 },
      );
      results.push((await v.w.data()) as Float32Array);
      optimizer.dispose();
      tf.dispose([grads, rate, scale]);
      free(v);
    }
    expect(results[0]).toEqual(results[1]);
  });
});

describe('bad input', () => {
  it('gradients and states that do not fit change nothing', async () => {
    const v = variables();
    const optimizer = new AdamW(v);
    const g = { w: tf.ones([4, 3]), b: tf.ones([3]) };
    const before = (await v.w.data()).slice();
    const refused = (call: () => void, message: string) => {
      expect(call).toThrow(OptimizerStateError);
      expect(call).toThrow(message);
    };
    refused(() => optimizer.applyGradients({ w: g.w }), "no gradient for variable 'b'");
    refused(() => optimizer.applyGradients({ ...g, c: g.b }), 'does not own: c');
    refused(
      () => optimizer.applyGradients({ w: g.b, b: g.b }),
      "the gradient of 'w' has shape [3], the variable [4,3]",
    );
    optimizer.applyGradients(g);
    const state = await optimizer.state();
    expect(state).toMatchObject({ optimizer: 'adamw', step: 1 });
    const { 'w.mean': mean, ...rest } = state.tensors;
    refused(() => optimizer.loadState({ ...state, optimizer: 'sgd' }), "the state is of 'sgd'");
    refused(() => optimizer.loadState({ ...state, step: -1 }), 'step must be an integer ≥ 0');
    refused(() => optimizer.loadState({ ...state, tensors: rest }), 'missing: w.mean');
    refused(() => optimizer.loadState({ ...state, tensors: { ...state.tensors, x: mean! } }), 'unknown: x');
    refused(
      () =>
        optimizer.loadState({
          ...state,
          tensors: { ...rest, 'w.mean': { shape: [12], values: mean!.values } },
        }),
      "'w.mean' has shape [12] and 12 values in the state, here [4,3]",
    );
    expect(await optimizer.state()).toEqual(state);
    expect(before).not.toEqual(await v.w.data());
    optimizer.dispose();
    tf.dispose(g);
    free(v);
  });

  it('options out of range', () => {
    const v = variables();
    for (const [call, message] of [
      [() => new AdamW({}), 'variables must be at least one variable'],
      [() => new AdamW(v, { beta2: 1 }), 'beta2 must be in [0, 1), received 1'],
      [() => new AdamW(v, { learningRate: -1 }), 'learningRate must be ≥ 0'],
      [() => new AdamW(v, { noDecay: ['c'] }), 'noDecay must be names of variables, received [c]'],
      [() => new SGD(v, { nesterov: true }), 'momentum must be positive with nesterov'],
      [() => new GradientAccumulator().take(), 'filled by add()'],
      [() => new GradientAccumulator().add({}, 0), 'weight must be a positive number'],
    ] as const) {
      expect(call).toThrow(InvalidArgumentError);
      expect(call).toThrow(message);
    }
    free(v);
  });
});
