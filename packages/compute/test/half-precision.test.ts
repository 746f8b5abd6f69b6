import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { trace } from '../src/capture/trace.js';
import { lower } from '../src/executors/tensorflow/lower.js';
import type { TfRef } from '../src/executors/tensorflow/nodes.js';
import { setupBackend } from '../src/testing/setup.js';

beforeAll(setupBackend);

it('stays half precision from one product to the next through everything that only moves numbers', () => {
  const metas = [
    [8, 4],
    [4, 6],
    [12, 3],
  ].map((shape) => ({ shape, dtype: 'float32' as const }));
  const { program } = trace(([x, up, down]) => {
    const product = tf.matMul(x as tf.Tensor2D, up as tf.Tensor2D); // [8, 6]
    const turned = tf.transpose(tf.reshape(product, [2, 4, 6]), [1, 0, 2]); // [4, 2, 6]
    const rows = tf.reshape(tf.slice(turned, [1, 0, 0], [2, 2, 6]), [4, 6]);
    return tf.matMul(tf.concat([rows, rows], 1), down as tf.Tensor2D);
  }, metas);
  const { builder } = lower(program, { matmulPrecision: 'bf16', variableName: () => '', inlineLimit: 100 });
  const [first, last] = builder.nodes.filter(({ op }) => op === 'MatMul');
  const seen: string[] = [];
  for (let ref = last!.inputs[0] as TfRef; ref.node !== first; ) {
    expect(ref.node.attrs.T).toEqual({ type: 14 });
    seen.push(ref.node.op);
    ref = (ref.node.inputs as (TfRef | TfRef[])[]).flat()[0]!;
  }
  expect(seen).toEqual(['ConcatV2', 'Reshape', 'Slice', 'Transpose', 'Reshape']);
});
