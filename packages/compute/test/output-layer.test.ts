import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { trace } from '../src/capture/trace.js';
import { lower } from '../src/executors/tensorflow/lower.js';
import { capture, embedding, linear, softmaxCrossEntropy } from '../src/index.js';
import { expectTensorClose } from '../src/testing/expect.js';
import { setupBackend } from '../src/testing/setup.js';
import { executors } from './executors.js';

beforeAll(setupBackend);

const [rows, width, vocabSize] = [48, 8, 300];

/** A tied output layer: its table gets a gradient as embedding and one as output matrix. */
function step(table: tf.Tensor, hidden: tf.Tensor, tokenIds: tf.Tensor, labels: tf.Tensor): tf.Tensor[] {
  const { value, grads } = tf.valueAndGrads((t: tf.Tensor, h: tf.Tensor) => {
    const x = tf.add(embedding(t as tf.Tensor2D, tokenIds), h) as tf.Tensor2D;
    const logits = linear(x, t as tf.Tensor2D, null, { transposeWeight: true });
    return softmaxCrossEntropy(logits, labels);
  })([table, hidden]);
  return [value, ...grads];
}

const ids = (at: (row: number) => number) =>
  tf.tensor1d(
    Int32Array.from({ length: rows }, (_, row) => at(row)),
    'int32',
  );
/** Token ids that occur several times, labels that do not count, logits far apart. */
const inputs = (spread = 1): [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor] => [
  tf.randomNormal([vocabSize, width], 0, spread, 'float32', 1),
  tf.randomNormal([rows, width], 0, spread, 'float32', 2),
  ids((row) => (row * 7) % 10),
  ids((row) => (row % 5 === 0 ? -100 : (row * 31) % vocabSize)),
];
const operations = () => {
  const given = inputs();
  const { program } = trace(
    (t) => step(t[0]!, t[1]!, t[2]!, t[3]!),
    given.map(({ shape, dtype }) => ({ shape, dtype: dtype as 'float32' })),
  );
  tf.dispose(given);
  const options = { matmulPrecision: 'float32', variableName: (v: tf.Variable) => v.name, inlineLimit: 1e6 };
  return lower(program, options as never).builder.nodes;
};

describe('a tied output layer as a TensorFlow graph', () => {
  it('scales no row of the logits’ gradient, and adds the embedding’s gradient in place', () => {
    const nodes = operations();
    const ops = nodes.map(({ op }) => op);
    expect(ops).toContain('TensorScatterSub');
    expect(ops).toContain('TensorScatterAdd');
    expect(ops).not.toContain('UnsortedSegmentSum');
    // Both products read the residual as it comes from the loss.
    const residual = nodes.find(({ op }) => op === 'TensorScatterSub')!;
    const readers = nodes.filter(({ inputs: from }) =>
      from.some((ref) => 'node' in ref && ref.node === residual),
    );
    expect(readers.map(({ op }) => op)).toEqual(['MatMul', 'MatMul']);
  });

  it.each(executors.flatMap((executor) => [1, 12].map((spread) => ({ executor, spread }))))(
    'gives the losses and gradients of eager execution ($executor, spread $spread)',
    async ({ executor, spread }) => {
      const given = inputs(spread);
      const expected = tf.tidy(() => step(...given));
      const captured = capture(step as never, { executor }) as unknown as {
        (...t: tf.Tensor[]): Promise<tf.Tensor[]>;
        dispose(): void;
      };
      const actual = await captured(...given);
      for (const [i, tensor] of expected.entries())
        await expectTensorClose(actual[i]!, tensor, { rtol: 1e-4, atol: 1e-5 * spread });
      captured.dispose();
      tf.dispose([given, expected, actual]);
    },
  );

  it.skipIf(!executors.includes('tensorflow'))('keeps a confident model’s gradient in bf16', async () => {
    // Each label is all but certain: softmax − one-hot is a difference of nearly equal numbers.
    const table = tf.mul(tf.eye(64), 9) as tf.Tensor2D;
    const labels = tf.range(0, 64, 1, 'int32') as tf.Tensor1D;
    const run = (t: tf.Tensor) =>
      tf.grad((x: tf.Tensor) =>
        softmaxCrossEntropy(linear(tf.eye(64), x as tf.Tensor2D, null, { transposeWeight: true }), labels),
      )(t);
    const captured = capture(run as never, {
      executor: 'tensorflow',
      matmulPrecision: 'bf16',
    }) as unknown as { (t: tf.Tensor): Promise<tf.Tensor>; dispose(): void };
    const [actual, expected] = [await captured(table), tf.tidy(() => run(table))];
    const [a, e] = [await actual.data(), await expected.data()];
    for (let i = 0; i < 64; i++) expect(a[i * 65]! / e[i * 65]!).toBeCloseTo(1, 1);
    captured.dispose();
    tf.dispose([table, labels, actual, expected]);
  });
});
