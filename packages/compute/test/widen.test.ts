import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trace } from '../src/capture/trace.js';
import { slotOf } from '../src/capture/variables.js';
import { OnnxLowering } from '../src/executors/onnx/lower.js';
import { capture, exportOnnx, gelu, linear } from '../src/index.js';
import { setupBackend } from '../src/testing/setup.js';
import { missing } from './executors.js';

type Weights = Record<'up' | 'upT' | 'down' | 'downT', tf.Tensor2D> &
  Record<'upBias' | 'downBias', tf.Tensor1D>;
let w: Weights;
beforeAll(async () => {
  await setupBackend();
  const weight = (shape: number[], seed: number) =>
    tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.1, 'float32', seed)));
  w = {
    up: weight([24, 1024], 1),
    upT: weight([1024, 24], 2),
    upBias: weight([1024], 3),
    down: weight([1024, 8], 4),
    downT: weight([8, 1024], 5),
    downBias: weight([8], 6),
  } as unknown as Weights;
});
afterAll(() => tf.dispose(Object.values(w)));

type Block = (x: tf.Tensor) => tf.Tensor | tf.Tensor[];
const widened: [string, Block][] = [
  ['weights as GPT-2 has them', (x) => linear(gelu(linear(x, w.up, w.upBias)), w.down, w.downBias)],
  ['weights as PyTorch has them', (x) => linear(gelu(linear(x, w.upT, w.upBias, { transposeWeight: true }), 'none'), w.downT, null, { transposeWeight: true })],
  ['no biases', (x) => linear(tf.relu(linear(x, w.up)), w.down)],
]; // biome-ignore format: a table
const plain: [string, Block][] = [
  ['the hidden layer is a result too', (x) => {
    const hidden = gelu(linear(x, w.up, w.upBias));
    return [hidden, linear(hidden, w.down)];
  }],
  ['another activation', (x) => linear(tf.add(tf.exp(linear(x, w.up)), 1), w.down)],
  ['what goes into the activation is read twice', (x) => {
    const before = linear(x, w.up, w.upBias);
    return [linear(gelu(before), w.down), tf.sum(before)];
  }],
]; // biome-ignore format: a table
const input = (rows: number) => tf.randomNormal([2, rows / 2, 24], 0, 1, 'float32', 9);

/** Shapes of the weights in the model that the executor builds. */
function shapesOf(block: Block, rows: number, arrange: boolean): string[] {
  const { program } = trace(([x]) => [block(x!)].flat(), [{ shape: [2, rows / 2, 24], dtype: 'float32' }]);
  const frozen = (variable: tf.Variable) => slotOf(variable).current();
  const { builder } = new OnnxLowering(program, { frozen, weights: 'float32', arrange }).lower();
  return builder.initializers.filter(({ weight }) => weight).map(({ shape }) => shape.join('x'));
}

describe('hidden layers of 1,024 columns', () => {
  it.each(widened)('get more: %s', (_, block) => {
    expect(shapesOf(block, 64, true).some((shape) => shape.includes('1040'))).toBe(true);
    expect(shapesOf(block, 64, false).some((shape) => shape.includes('1040'))).toBe(false);
  });
  it.each(plain)('stay as they are: %s', (_, block) => {
    expect(shapesOf(block, 64, true).some((shape) => shape.includes('1040'))).toBe(false);
  });
  it('stay as they are for a few rows, and in exported models', () => {
    expect(shapesOf(widened[0]![1], 8, true).some((shape) => shape.includes('1040'))).toBe(false);
    const f = capture(widened[0]![1] as (x: tf.Tensor) => tf.Tensor, { executor: 'onnx' });
    const x = input(64);
    // 24·1024 + 1024 + 1024·8 + 8 weights of four bytes, and the graph
    const bytes = exportOnnx(f, [x]).byteLength;
    expect(bytes).toBeGreaterThan(135_200);
    expect(bytes).toBeLessThan(138_000);
    x.dispose();
    f.dispose();
  });
});

describe.skipIf(missing.onnx !== '')('on ONNX Runtime', () => {
  it.each([...widened, ...plain])('the same numbers: %s', async (_, block) => {
    const f = capture(block as (x: tf.Tensor) => tf.Tensor, { executor: 'onnx' });
    const compare = async () => {
      const x = input(64);
      const got = [await f(x)].flat();
      const want = tf.tidy(() => [block(x)].flat());
      for (const [i, tensor] of got.entries()) {
        const [a, b] = [await tensor.data(), await want[i]!.data()];
        expect(tensor.shape).toEqual(want[i]!.shape);
        for (let at = 0; at < a.length; at++)
          expect(Math.abs(a[at]! - b[at]!)).toBeLessThan(2e-5 * Math.max(1, Math.abs(b[at]!)));
      }
      tf.dispose([x, got, want]);
    };
    await compare();
    // New values reach the wider copies too.
    for (const weight of [w.up, w.upBias, w.upT])
      tf.tidy(() => (weight as unknown as tf.Variable).assign(tf.mul(weight, 0.5)));
    await compare();
    f.dispose();
  });
});
