import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { trace } from '../src/capture/trace.js';
import { lower } from '../src/executors/tensorflow/lower.js';
import { setupBackend } from '../src/testing/setup.js';

beforeAll(setupBackend);

/** The operations of x·wᵀ (+ bias), x of `rows` × `inner`. */
function operations(rows: number, inner: number, options: { bias?: boolean; half?: boolean } = {}): string[] {
  const metas = [[rows, inner], [64, inner], [64]].map((shape) => ({ shape, dtype: 'float32' as const }));
  const { program } = trace(([x, w, b]) => {
    const product = tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true);
    return options.bias === true ? tf.add(product, b!) : product;
  }, metas);
  const matmulPrecision = options.half === true ? 'bf16' : 'float32';
  const { builder } = lower(program, { matmulPrecision, variableName: () => '', inlineLimit: 100 });
  return builder.nodes.map(({ op }) => op).filter((op) => /MatMul|Bias/.test(op));
}

it('a·bᵀ is a batch of one where that is faster', () => {
  expect(operations(128, 64)).toEqual(['BatchMatMulV2']);
  expect(operations(4096, 1536)).toEqual(['BatchMatMulV2']);
  expect(operations(4096, 384)).toEqual(['MatMul']);
  expect(operations(1, 3072)).toEqual(['MatMul']);
  // In bfloat16 both are the same, and a bias fuses with MatMul alone.
  expect(operations(128, 64, { half: true })).toEqual(['MatMul']);
  expect(operations(128, 64, { bias: true })).toEqual(['MatMul', 'BiasAdd']);
});
