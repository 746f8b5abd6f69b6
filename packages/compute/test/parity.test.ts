import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AdamW,
  clipByGlobalNorm,
  gelu,
  layerNorm,
  logSoftmax,
  type Optimizer,
  quickGelu,
  SGD,
  softmaxCrossEntropy,
} from '../src/index.js';
import { expectNoLeak, expectTensorClose, setupBackend } from '../src/testing/index.js';
import fixture from './fixtures/torch.json' with { type: 'json' };

beforeAll(setupBackend);

interface Flat {
  shape: number[];
  values: number[];
}
const tensor = (f: Flat) => tf.tensor(f.values, f.shape, 'float32');
const tolerance = { atol: 2e-6, rtol: 1e-5 };
const labels = () => tf.tensor1d([3, 0, -100, 6, 1], 'int32');

describe(`ops agree with ${fixture.reference}`, () => {
  const ops: Record<keyof typeof fixture.ops, (...x: tf.Tensor[]) => tf.Tensor> = {
    layerNorm: (x, g, b) => layerNorm(x!, g as tf.Tensor1D, b as tf.Tensor1D),
    geluTanh: (x) => gelu(x!),
    geluNone: (x) => gelu(x!, 'none'),
    quickGelu: (x) => quickGelu(x!),
    crossEntropyMean: (x) => softmaxCrossEntropy(x!, labels()),
    crossEntropySum: (x) => softmaxCrossEntropy(x!, labels(), { reduction: 'sum' }),
    crossEntropyNone: (x) => softmaxCrossEntropy(x!, labels(), { reduction: 'none' }),
    logSoftmax: (x) => logSoftmax(x!),
  };

  it.each(Object.keys(ops) as (keyof typeof ops)[])('%s: value and gradients', async (name) => {
    const c = fixture.ops[name];
    const inputs = c.inputs.map(tensor);
    const output = tf.tidy(() => ops[name](...inputs));
    await expectTensorClose(output, tensorOf(c.output), tolerance);
    const dy = tensor(c.dy);
    const gradients = tf.grads((...x: tf.Tensor[]) => ops[name](...x))(inputs, dy);
    for (const [i, gradient] of gradients.entries()) {
      // tfjs's portable erf is a polynomial with an error of 1.5e-7, which x multiplies.
      await expectTensorClose(gradient, tensorOf(c.gradients[i]!), { atol: 4e-6, rtol: 2e-5 });
    }
    tf.dispose([output, dy, ...inputs, ...gradients]);
  });
});

describe(`optimisers agree with ${fixture.reference}`, () => {
  type Variables = { matrix: tf.Variable; vector: tf.Variable };
  const make: Record<keyof typeof fixture.optimizers, (v: Variables) => Optimizer> = {
    adamw: (v) => new AdamW(v),
    adamwGroups: (v) =>
      new AdamW(v, { beta1: 0.9, beta2: 0.95, epsilon: 1e-5, weightDecay: 0.1, noDecay: ['vector'] }),
    sgd: (v) => new SGD(v),
    sgdMomentum: (v) => new SGD(v, { momentum: 0.9, weightDecay: 0.1 }),
    sgdNesterov: (v) => new SGD(v, { momentum: 0.8, nesterov: true }),
  };

  const run = async (name: keyof typeof make, scale: number, saveAt = -1) => {
    const { start, steps } = fixture.optimizers[name];
    const variables = (s: Flat[]) => ({
      matrix: tf.tidy(() => tf.variable(tensor(s[0]!))),
      vector: tf.tidy(() => tf.variable(tensor(s[1]!))),
    });
    const v = variables(start);
    let optimizer = make[name](v);
    const results: Float32Array[] = [];
    for (const [i, step] of steps.entries()) {
      if (i === saveAt) {
        const saved = structuredClone(await optimizer.state());
        optimizer.dispose();
        optimizer = make[name](v);
        optimizer.loadState(saved);
      }
      const [matrix, vector] = step.gradients.map((g) => tf.tidy(() => tf.div(tensor(g), scale)));
      optimizer.applyGradients({ matrix: matrix!, vector: vector! }, { learningRate: step.rate, scale });
      tf.dispose([matrix!, vector!]);
      if (saveAt < 0) {
        await expectTensorClose(v.matrix, step.values[0]!.values, tolerance);
        await expectTensorClose(v.vector, step.values[1]!.values, tolerance);
      }
    }
    results.push((await v.matrix.data()) as Float32Array, (await v.vector.data()) as Float32Array);
    optimizer.dispose();
    tf.dispose([v.matrix, v.vector]);
    return results;
  };

  it.each(Object.keys(make) as (keyof typeof make)[])('%s: every step', async (name) => {
    await expectNoLeak(() => run(name, 1));
    await expectNoLeak(() => run(name, 4));
  });

  it.each(Object.keys(make) as (keyof typeof make)[])('%s: resumes bit for bit', async (name) => {
    expect(await run(name, 1, 3)).toEqual(await run(name, 1));
  });

  it('a variable that shares its data is updated without touching the sharer', async () => {
    const v = tf.variable(tf.tensor1d([1, 2, 3]));
    const copy = tf.clone(v);
    const view = tf.reshape(v, [3, 1]);
    const optimizer = new AdamW({ v }, { learningRate: 0.5 });
    const g = tf.tensor1d([1, -1, 1]);
    for (let i = 0; i < 3; i++) optimizer.applyGradients({ v: g });
    await expectTensorClose(copy, [1, 2, 3], { atol: 0, rtol: 0 });
    await expectTensorClose(view, [1, 2, 3], { atol: 0, rtol: 0 });
    expect((await v.data())[0]).toBeLessThan(0);
    optimizer.dispose();
    tf.dispose([v, copy, view, g]);
  });
});

it(`clipByGlobalNorm agrees with ${fixture.reference}`, async () => {
  const { gradients, maxNorm, norm, clipped } = fixture.clip;
  const inputs = gradients.map(tensor);
  const result = await expectNoLeak(() => clipByGlobalNorm(inputs, maxNorm));
  await expectTensorClose(result.norm, [norm], tolerance);
  for (const [i, t] of result.clipped.entries()) await expectTensorClose(t, tensorOf(clipped[i]!), tolerance);
  const named = clipByGlobalNorm({ a: inputs[0]!, b: inputs[1]! }, 1e9);
  await expectTensorClose(named.clipped.b, inputs[1]!, { atol: 0, rtol: 0 });
  tf.dispose([inputs, result.norm, ...result.clipped, named.norm, named.clipped.a, named.clipped.b]);
});

function tensorOf(f: Flat): number[] | number[][] {
  if (f.shape.length < 2) return f.values;
  const width = f.shape.at(-1)!;
  return Array.from({ length: f.values.length / width }, (_, i) =>
    f.values.slice(i * width, (i + 1) * width),
  );
}
