import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trace } from '../src/capture/trace.js';
import { slotOf } from '../src/capture/variables.js';
import { OnnxLowering, type OnnxLowerOptions } from '../src/executors/onnx/lower.js';
import { loadOnnxRuntime } from '../src/executors/onnx/runtime.js';
import { inSlabs } from '../src/executors/onnx/slabs.js';
import { capture, exportOnnx } from '../src/index.js';
import { setupBackend } from '../src/testing/setup.js';
import { missing } from './executors.js';
import { createSlabWeights, slabModel, slabNumbersTest } from './slabs.js';

let w: ReturnType<typeof createSlabWeights>;
beforeAll(async () => {
  await setupBackend();
  loadOnnxRuntime();
  w = createSlabWeights();
});
afterAll(() => tf.dispose(Object.values(w)));

const frozen = (variable: tf.Variable) => slotOf(variable).current();

function lower(rows: number, options: Partial<OnnxLowerOptions> = {}, f = (x: tf.Tensor) => slabModel(w, x)) {
  const { program } = trace(([x]) => [f(x!)], [{ shape: [rows, 768], dtype: 'float32' }]);
  return new OnnxLowering(program, { frozen, weights: 'float32', arrange: true, ...options }).lower();
}

describe('the order of a weight in slabs', () => {
  // 2 rows, 33 columns: two slabs, of which the second has one column.
  const columns = 33;
  const value = (k: number, column: number) => 100 * k + column + 1;
  const plain = Float32Array.from({ length: 66 }, (_, i) => value(Math.floor(i / columns), i % columns));
  const transposed = Float32Array.from({ length: 66 }, (_, i) => value(i % 2, Math.floor(i / 2)));
  const expected = Array.from({ length: 2 * 2 * 32 }, (_, i) => {
    const [slab, k, column] = [Math.floor(i / 64), Math.floor(i / 32) % 2, i % 32];
    return 32 * slab + column < columns ? value(k, 32 * slab + column) : 0;
  });

  it('is by 32 columns, with zeros at the end', () => {
    expect([...inSlabs(plain, 2, columns, false)]).toEqual(expected);
    expect([...inSlabs(transposed, 2, columns, true)]).toEqual(expected);
  });
});

const obstacle = process.arch === 'x64' ? missing.onnx : `a processor of another kind: ${process.arch}`;
if (obstacle !== '') console.log(`tests of weights in slabs are skipped: ${obstacle}`);
describe.skipIf(obstacle !== '')('weights in slabs', () => {
  it('are arguments of the model instead of parts of it', () => {
    const { builder, constants, isBaked } = lower(1);
    expect(constants.map(({ meta }) => meta.shape.join('x'))).toEqual(['22x768x32', '32x700x32']);
    expect(builder.inputs.map(({ name }) => name).slice(1)).toEqual(constants.map(({ input }) => input));
    expect(builder.initializers.filter(({ weight }) => weight).map(({ shape }) => shape)).toEqual([[700]]);
    expect(isBaked).toBe(false);
  });

  it('stand in memory once, however often they are used', () => {
    const twice = (x: tf.Tensor) => tf.add(slabModel(w, x), slabModel(w, tf.neg(x)));
    expect(lower(1, {}, twice).constants).toHaveLength(2);
  });

  it('are for one row, for weights that stay as they are, and for products that run here', () => {
    expect(lower(2).constants).toEqual([]);
    expect(lower(1, { live: true }).constants).toEqual([]);
    expect(lower(1, { arrange: false }).constants).toEqual([]);
    expect(lower(1, { weights: 'int8' }).constants).toEqual([]);
    const narrow = tf.variable(tf.ones([768, 600])); // less than 2 MB
    const product = (x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, narrow as tf.Tensor as tf.Tensor2D);
    expect(lower(1, {}, product).constants).toEqual([]);
    narrow.dispose();
  });

  it('are not what a model exports', () => {
    const x = tf.ones([1, 768]);
    const f = capture((t: tf.Tensor) => slabModel(w, t), { executor: 'onnx' });
    const weights = 4 * (768 * 700 + 700 + 1000 * 700);
    const bytes = exportOnnx(f, [x]).byteLength;
    expect(bytes).toBeGreaterThan(weights);
    expect(bytes).toBeLessThan(weights + 2000);
    f.dispose();
    x.dispose();
  });

  slabNumbersTest();
});
