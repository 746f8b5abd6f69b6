import * as tf from '@tensorflow/tfjs-core';
import { expect, it, vi } from 'vitest';
import { AdamW, embedding, gelu, initCompute, layerNorm, linear, softmaxCrossEntropy } from '../src/index.js';

/** Losses of a small tied model over a few optimiser steps. */
async function losses(): Promise<number[]> {
  const normal = (shape: number[], seed: number) =>
    tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.3, 'float32', seed)));
  const v = {
    table: normal([12, 8], 1),
    gamma: tf.variable(tf.ones([8])),
    beta: tf.variable(tf.zeros([8])),
    w: normal([8, 8], 2),
  };
  const tokens = tf.tensor2d(
    [
      [1, 5, 2, 7],
      [3, 3, 0, 11],
    ],
    [2, 4],
    'int32',
  );
  const labels = tf.tensor2d(
    [
      [5, 2, 7, -100],
      [3, 0, 11, 4],
    ],
    [2, 4],
    'int32',
  );
  const optimizer = new AdamW(v, { learningRate: 0.05 });
  const out: number[] = [];
  for (let step = 0; step < 5; step++) {
    const { value, grads } = tf.variableGrads(() => {
      const hidden = gelu(linear(layerNorm(embedding(v.table, tokens), v.gamma, v.beta), v.w));
      return softmaxCrossEntropy(
        linear(hidden, v.table, null, { transposeWeight: true }),
        labels,
      ) as tf.Scalar;
    });
    optimizer.applyGradients(grads);
    out.push((await value.data())[0]!);
    tf.dispose([value, grads]);
  }
  optimizer.dispose();
  tf.dispose([...Object.values(v), tokens, labels]);
  return out;
}

it('webgpu trains to the same losses as cpu', async (context) => {
  vi.stubEnv('GPT_LINEAGE_BACKEND', '');
  await initCompute({ prefer: 'cpu' });
  const want = await losses();
  const info = await initCompute({ prefer: 'webgpu', strict: true }).catch((error: Error) => error);
  if (info instanceof Error) {
    context.skip(info.message);
    return;
  }
  expect(tf.getBackend()).toBe('webgpu');
  const got = await losses();
  expect(want.at(-1)).toBeLessThan(want[0]!);
  for (const [i, loss] of got.entries()) expect(loss).toBeCloseTo(want[i]!, 4);
});
