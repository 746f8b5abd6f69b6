import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { trace } from '../src/capture/trace.js';
import { lower } from '../src/executors/tensorflow/lower.js';
import { capture, gelu, linear } from '../src/index.js';
import { expectTensorClose } from '../src/testing/expect.js';
import { setupBackend } from '../src/testing/setup.js';
import { executors } from './executors.js';

beforeAll(setupBackend);

/** Gradients of a feed-forward block. */
function step(x: tf.Tensor, up: tf.Tensor, bias: tf.Tensor, down: tf.Tensor): tf.Tensor[] {
  const loss = (...[a, w, b, v]: tf.Tensor[]) => {
    const inner = gelu(linear(a!, w as tf.Tensor2D, b as tf.Tensor1D));
    return tf.mean(tf.square(linear(inner, v as tf.Tensor2D)));
  };
  const { value, grads } = tf.valueAndGrads(loss)([x, up, bias, down]);
  return [value, ...grads];
}

const shapes = (rows: number) => [[rows, 16], [16, 1024], [1024], [1024, 8]];

function lowered(rows: number, matmulPrecision: 'float32' | 'bf16') {
  const metas = shapes(rows).map((shape) => ({ shape, dtype: 'float32' as const }));
  const { program } = trace((t) => step(t[0]!, t[1]!, t[2]!, t[3]!), metas);
  const options = { matmulPrecision, variableName: () => '', inlineLimit: 100 };
  const { builder } = lower(program, { ...options, addRegion: (key) => key });
  return builder.nodes;
}

it.each(['bf16', 'float32'] as const)(
  '%s: the activation for a weight’s gradient is computed again, once its other factor is there',
  (precision) => {
    const nodes = lowered(4096, precision);
    const again = nodes.filter(({ op, control }) => op === 'PartitionedCall' && control.length > 0);
    expect(again.length).toBe(1);
    const reads = (node: (typeof nodes)[number]) => node.inputs.flat().map((input) => input.node);
    const product = nodes.find((node) => node.op === 'MatMul' && reads(node).includes(again[0]!))!;
    expect(product.attrs.transpose_a).toEqual({ bool: true });
    expect(reads(product)).toContain(again[0]!.control[0]);
    // The forward pass has its own.
    const forward = nodes.find(({ op, attrs }) => op === 'MatMul' && attrs.transpose_a !== undefined)!;
    expect(nodes.indexOf(forward)).toBeLessThan(nodes.indexOf(again[0]!));
  },
);

it('an activation of few rows is kept', () => {
  const nodes = lowered(256, 'bf16');
  expect(nodes.some(({ op, control }) => op === 'PartitionedCall' && control.length > 0)).toBe(false);
});

it.runIf(executors.includes('tensorflow')).each([
  ['bf16', 0.05],
  ['float32', 1e-3],
] as const)('%s: the gradients are those of eager execution', async (matmulPrecision, rtol) => {
  const given = shapes(4096).map((shape, i) => tf.randomNormal(shape, 0, 0.3, 'float32', i + 1));
  const [x, up, bias, down] = given as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const expected = tf.tidy(() => step(x, up, bias, down));
  const captured = capture(step, { executor: 'tensorflow', matmulPrecision });
  const results = (await captured(x, up, bias, down)) as tf.Tensor[];
  for (const [i, result] of results.entries()) {
    const values = await expected[i]!.data();
    const largest = Math.max(...Array.from(values, Math.abs));
    await expectTensorClose(result, values, { rtol, atol: 0.4 * rtol * largest });
  }
  captured.dispose();
  tf.dispose([given, expected, results]);
});
