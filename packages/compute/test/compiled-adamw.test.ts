import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { trace } from '../src/capture/trace.js';
import { lower } from '../src/executors/tensorflow/lower.js';
import type { TfNode, TfRef } from '../src/executors/tensorflow/nodes.js';
import { AdamW, capture, vectorsOnly } from '../src/index.js';
import { expectTensorClose } from '../src/testing/expect.js';
import { setupBackend } from '../src/testing/setup.js';
import { executors } from './executors.js';

beforeAll(setupBackend);

const [rows, width, out] = [64, 300, 256];

/** One layer, large enough for a compiled update, and its bias, which is not. */
function trainer(noDecay: boolean, weightDecay: number) {
  const weight = tf.variable(tf.randomNormal([width, out], 0, 0.1, 'float32', 1));
  const bias = tf.variable(tf.zeros([out]));
  const optimizer = new AdamW(
    { weight, bias },
    {
      weightDecay,
      beta2: 0.95,
      // The quotient of two almost-zero moments would magnify rounding.
      epsilon: 1e-4,
      noDecay: noDecay ? () => true : vectorsOnly,
    },
  );
  const update = (x: tf.Tensor, rate: tf.Scalar, scale: tf.Scalar) => {
    const { value, grads } = tf.variableGrads(
      () =>
        tf.mean(
          tf.square(tf.add(tf.matMul(x as tf.Tensor2D, weight as unknown as tf.Tensor2D), bias)),
        ) as tf.Scalar,
      [weight, bias],
    );
    const before = tf.add(weight, 0);
    const head = tf.slice(x as tf.Tensor2D, [0, 0], [rows, out]);
    const back = tf.matMul(head, weight as unknown as tf.Tensor2D, false, true);
    optimizer.applyGradients(
      { weight: grads[weight.name]!, bias: grads[bias.name]! },
      { learningRate: rate, scale },
    );
    return [value, before, back];
  };
  const dispose = () => {
    optimizer.dispose();
    tf.dispose([weight, bias]);
  };
  return { weight, optimizer, update, dispose };
}

const input = () => tf.randomNormal([rows, width], 0, 1, 'float32', 2);

describe('a compiled AdamW', () => {
  function lowered(matmulPrecision: 'float32' | 'bf16') {
    const { update, dispose } = trainer(false, 0.1);
    const metas = [[rows, width], [], []].map((shape) => ({ shape, dtype: 'float32' as const }));
    const { program } = trace(([x, rate, scale]) => update(x!, rate as tf.Scalar, scale as tf.Scalar), metas);
    const { builder } = lower(program, {
      matmulPrecision,
      variableName: ({ name }) => name,
      inlineLimit: 100,
      addRegion: (key, spec) => {
        spec();
        return key;
      },
    });
    dispose();
    return builder.nodes;
  }

  it.each([
    ['float32', 1],
    ['bf16', 14],
  ] as const)('%s: takes the gradient as the product gives it, before the clip factor', (precision, type) => {
    const nodes = lowered(precision);
    const [call, ...others] = nodes.filter(({ op }) => op === 'StatefulPartitionedCall');
    expect(others).toEqual([]);
    // value, mean, square; the gradient; step size, epsilon, decay, clip factor
    expect(call!.attrs.Tin).toEqual({ types: [20, 20, 20, type, 1, 1, 1, 1] });
    const gradient = (call!.inputs[0] as TfRef[])[3]!;
    expect(gradient.node.op).toBe('MatMul');
    expect(nodes.filter(({ op }) => op === 'ResourceApplyAdam').length).toBe(1); // the bias
  });

  it('waits for everyone who reads the old value', () => {
    const nodes = lowered('float32');
    const call = nodes.find(({ op }) => op === 'StatefulPartitionedCall')!;
    const readersOf = (source: TfNode): TfNode[] => {
      const direct = nodes.filter(({ inputs }) =>
        (inputs.flat() as TfRef[]).some(({ node }) => node === source),
      );
      return direct.flatMap((node) => (node.op === 'Reshape' ? readersOf(node) : [node]));
    };
    const product = nodes.find(({ op }) => op === 'MatMul')!;
    const readers = readersOf((product.inputs[1] as TfRef).node);
    // x·weight; weight + 0; weightᵀ, through a reshape that shares its memory
    expect(readers.map(({ op }) => op).sort()).toEqual(['AddV2', 'BatchMatMulV2', 'MatMul']);
    for (const node of readers) expect(call.control).toContain(node);
  });

  it.runIf(executors.includes('tensorflow')).each([
    [false, 0.1],
    [true, 0.1],
    [false, 0],
  ])('gives what eager updates give (exempt %s, decay %d)', async (noDecay, decay) => {
    const x = input();
    const eager = trainer(noDecay, decay);
    const expected: tf.Tensor[] = [];
    for (const rate of [1e-2, 3e-3, 1e-3]) {
      const results = tf.tidy(() => eager.update(x, tf.scalar(rate), tf.scalar(0.25)));
      expected.push(...results);
    }
    for (const [matmulPrecision, rtol] of [
      ['float32', 1e-5],
      ['bf16', 2e-2],
    ] as const) {
      const mine = trainer(noDecay, decay);
      const captured = capture(mine.update, { executor: 'tensorflow', matmulPrecision });
      const results: tf.Tensor[] = [];
      for (const rate of [1e-2, 3e-3, 1e-3]) {
        results.push(...((await captured(x, rate, 0.25)) as tf.Tensor[]));
      }
      // The old value of each step is what it was, although its memory holds the new one.
      for (const [i, result] of results.entries()) {
        await expectTensorClose(result, await expected[i]!.data(), { rtol, atol: rtol });
      }
      await expectTensorClose(mine.weight, await eager.weight.data(), { rtol, atol: rtol });
      const [a, b] = [await mine.optimizer.state(), await eager.optimizer.state()];
      for (const [name, { values }] of Object.entries(b.tensors)) {
        const scale = Math.max(...Array.from(values, Math.abs));
        const made = tf.tensor1d(a.tensors[name]!.values);
        await expectTensorClose(made, values, { rtol: 0, atol: rtol * scale });
        made.dispose();
      }
      tf.dispose(results);
      captured.dispose();
      mine.dispose();
    }
    eager.dispose();
    tf.dispose([x, expected]);
  });
});
