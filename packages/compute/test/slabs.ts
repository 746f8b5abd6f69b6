import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { capture, linear } from '../src/index.js';
import { expectTensorClose } from '../src/testing/expect.js';

/** Weights of 2 MB or a little more, with columns that 32 does not divide. */
export function createSlabWeights() {
  const weight = (shape: number[], seed: number) =>
    tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.05, 'float32', seed)));
  return { up: weight([768, 700], 1), upBias: weight([700], 2), table: weight([1000, 700], 3) };
}

type Weights = ReturnType<typeof createSlabWeights>;

export function slabModel(w: Weights, x: tf.Tensor): tf.Tensor {
  const hidden = linear(x, w.up as tf.Tensor as tf.Tensor2D, w.upBias as tf.Tensor as tf.Tensor1D);
  return linear(tf.tanh(hidden), w.table as tf.Tensor as tf.Tensor2D, null, { transposeWeight: true });
}

/** A row times large weights gives what TensorFlow.js gives, and follows the weights. */
export function slabNumbersTest(): void {
  it.each([1, 3])('gives the same numbers for %i rows, also after the weights changed', async (rows) => {
    const w = createSlabWeights();
    const step = (x: tf.Tensor) => slabModel(w, x);
    const captured = capture(step, { executor: 'onnx' });
    const x = tf.randomNormal([rows, 768], 0, 1, 'float32', 4);
    for (let change = 0; change < 3; change++) {
      if (change === 1) tf.tidy(() => w.up.assign(tf.mul(w.up, -0.5)));
      if (change === 2) tf.tidy(() => w.table.assign(tf.reverse(w.table, 0)));
      const got = await captured(x);
      const want = tf.tidy(() => step(x));
      expect(got.shape).toEqual([rows, 1000]);
      await expectTensorClose(got, want, { atol: 5e-6, rtol: 0 });
      tf.dispose([got, want]);
    }
    captured.dispose();
    tf.dispose([x, ...Object.values(w)]);
  });
}
