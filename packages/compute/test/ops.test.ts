import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  causalSoftmax,
  clipByGlobalNorm,
  dropout,
  embedding,
  gelu,
  globalNorm,
  InvalidArgumentError,
  layerNorm,
  linear,
  linearCrossEntropy,
  logSoftmax,
  quickGelu,
  softmax,
  softmaxCrossEntropy,
  statelessUniform,
} from '../src/index.js';
import { checkGradients, expectNoLeak, expectTensorClose, setupBackend } from '../src/testing/index.js';

beforeAll(setupBackend);

const normal = (shape: number[], seed: number, mean = 0, std = 1) =>
  tf.randomNormal(shape, mean, std, 'float32', seed);
const ids = (values: number[], shape: number[] = [values.length]) => tf.tensor(values, shape, 'int32');

describe('gradients against finite differences, second use in one tape included', () => {
  const cases: Record<string, [(...x: tf.Tensor[]) => tf.Tensor, () => tf.Tensor[]]> = {
    'layerNorm 3-D': [
      (x, g, b) => layerNorm(x!, g as tf.Tensor1D, b as tf.Tensor1D),
      () => [normal([2, 3, 8], 1, 0.5, 2), normal([8], 2, 1, 0.3), normal([8], 3)],
    ],
    'layerNorm, one row': [
      (x, g, b) => layerNorm(x!, g as tf.Tensor1D, b as tf.Tensor1D, 1e-3),
      () => [normal([5], 4), normal([5], 5), normal([5], 6)],
    ],
    'gelu tanh': [(x) => gelu(x!), () => [normal([4, 7], 7, 0, 2)]],
    'gelu none': [(x) => gelu(x!, 'none'), () => [normal([4, 7], 8, 0, 2)]],
    quickGelu: [(x) => quickGelu(x!), () => [normal([4, 7], 9, 0, 2)]],
    'softmaxCrossEntropy mean': [
      (x) => softmaxCrossEntropy(x!, ids([1, 0, -100, 4, 2, 2], [2, 3])),
      () => [normal([2, 3, 5], 10, 0, 2)],
    ],
    'softmaxCrossEntropy none': [
      (x) => softmaxCrossEntropy(x!, ids([3, 0, 1]), { reduction: 'none', ignoreIndex: 0 }),
      () => [normal([3, 5], 11, 0, 2)],
    ],
    'linearCrossEntropy in chunks': [
      (x, w) =>
        linearCrossEntropy(x as tf.Tensor2D, w as tf.Tensor2D, ids([1, -100, 4, 0, 2]) as tf.Tensor1D, {
          chunkRows: 2,
          zero: tf.scalar(0),
        }),
      () => [normal([5, 3], 12), normal([6, 3], 13)],
    ],
    'causalSoftmax square': [
      (x) => causalSoftmax(x!, { scale: 0.5 }),
      () => [normal([2, 2, 4, 4], 12, 0, 2)],
    ],
    'causalSoftmax with past keys': [(x) => causalSoftmax(x!), () => [normal([2, 3, 6], 13, 0, 2)]],
    softmax: [(x) => softmax(x!), () => [normal([3, 6], 14, 0, 2)]],
    logSoftmax: [(x) => logSoftmax(x!), () => [normal([3, 6], 15, 0, 2)]],
    'linear with bias': [
      (x, w, b) => linear(x!, w as tf.Tensor2D, b as tf.Tensor1D),
      () => [normal([2, 3, 4], 16), normal([4, 5], 17), normal([5], 18)],
    ],
    'linear, no bias': [
      (x, w) => linear(x!, w as tf.Tensor2D),
      () => [normal([3, 4], 19), normal([4, 5], 20)],
    ],
    'linear, transposed weight': [
      (x, w, b) => linear(x!, w as tf.Tensor2D, b as tf.Tensor1D, { transposeWeight: true }),
      () => [normal([2, 3, 4], 21), normal([5, 4], 22), normal([5], 23)],
    ],
    'dropout at a fixed seed': [(x) => dropout(x!, 0.4, 99), () => [normal([5, 6], 24)]],
    'embedding, repeated rows': [
      (t) => embedding(t as tf.Tensor2D, ids([1, 3, 1, 1, 0, 5], [2, 3])),
      () => [normal([6, 4], 25)],
    ],
    'tied table: embedding and output layer': [
      (t) =>
        linear(embedding(t as tf.Tensor2D, ids([2, 0, 2])), t as tf.Tensor2D, null, {
          transposeWeight: true,
        }),
      () => [normal([4, 3], 26, 0, 0.7)],
    ],
    'stock tf.gather': [(t) => tf.gather(t!, ids([2, 0, 2]) as tf.Tensor1D), () => [normal([4, 3], 27)]],
  };

  it.each(Object.entries(cases))('%s', async (_, [fn, make]) => {
    const inputs = make();
    await checkGradients((...x) => tf.tidy(() => fn(...x)), inputs);
    tf.dispose(inputs);
  });
});

describe('values', () => {
  it('causalSoftmax: rows sum to 1 and later keys get exactly 0, also beside huge scores', async () => {
    const scores = tf.mul(normal([2, 4, 6], 40), 1e4) as tf.Tensor3D;
    const weights = await expectNoLeak(() => causalSoftmax(scores, { scale: 0.5 }));
    const rows = (await weights.array()) as number[][][];
    for (const batch of rows) {
      for (const [i, row] of batch.entries()) {
        expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
        expect(row.slice(i + 3)).toEqual(new Array(3 - i).fill(0));
      }
    }
    tf.dispose([scores, weights]);
  });

  it('softmaxCrossEntropy: ignored rows count for nothing, uniform logits give ln(vocabSize)', async () => {
    const logits = tf.zeros([4, 10]);
    const uniform = softmaxCrossEntropy(logits, ids([0, 3, -100, 9]));
    await expectTensorClose(uniform, [Math.log(10)], { atol: 1e-6 });
    const none = softmaxCrossEntropy(logits, ids([-100, -100, -100, -100]));
    await expectTensorClose(none, [0], { atol: 0 });
    const extreme = tf.tensor2d([
      [1e4, -1e4, 0],
      [-1e4, 0, 1e4],
    ]);
    const rows = softmaxCrossEntropy(extreme, ids([0, 0]), { reduction: 'none' });
    await expectTensorClose(rows, [0, 2e4], { atol: 1e-3, rtol: 1e-6 });
    tf.dispose([logits, uniform, none, extreme, rows]);
  });

  it('linearCrossEntropy: the loss and gradients of linear and softmaxCrossEntropy, whatever the chunks', async () => {
    const [x, w] = [normal([7, 4], 30) as tf.Tensor2D, normal([9, 4], 31) as tf.Tensor2D];
    const labels = ids([8, 0, -1, 3, 3, -1, 5]) as tf.Tensor1D;
    const plain = (a: tf.Tensor, b: tf.Tensor) =>
      softmaxCrossEntropy(linear(a, b as tf.Tensor2D, null, { transposeWeight: true }), labels, {
        ignoreIndex: -1,
      });
    const expected = tf.tidy(() => tf.valueAndGrads(plain)([x, w], tf.scalar(3)));
    for (const chunkRows of [1, 3, 7, 100]) {
      const fused = (a: tf.Tensor, b: tf.Tensor) =>
        linearCrossEntropy(a as tf.Tensor2D, b as tf.Tensor2D, labels, { ignoreIndex: -1, chunkRows });
      await expectNoLeak(async () => {
        const { value, grads } = tf.tidy(() => tf.valueAndGrads(fused)([x, w], tf.scalar(3)));
        await expectTensorClose(value, await expected.value.data(), { atol: 1e-6 });
        for (const [i, gradient] of grads.entries())
          await expectTensorClose(gradient, await expected.grads[i]!.data(), { atol: 1e-6 });
        tf.dispose([value, grads]);
      });
    }
    expect(() => linearCrossEntropy(x, w, labels, { chunkRows: 0 })).toThrow(InvalidArgumentError);
    expect(() => linearCrossEntropy(x, normal([9, 5], 1) as tf.Tensor2D, labels)).toThrow(/weight/);
    tf.dispose([x, w, labels, expected.value, expected.grads]);
  });

  it('layerNorm: finite at a constant row, whatever the size of the values', async () => {
    const x = tf.tensor2d([
      [5, 5, 5, 5],
      [1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3],
    ]);
    const [one, zero] = [tf.ones([4]) as tf.Tensor1D, tf.zeros([4]) as tf.Tensor1D];
    const y = layerNorm(x, one, zero);
    const s = Math.sqrt(1.25);
    const want = [
      [0, 0, 0, 0],
      [-1.5 / s, -0.5 / s, 0.5 / s, 1.5 / s],
    ];
    await expectTensorClose(y, want, { atol: 1e-4 });
    tf.dispose([x, one, zero, y]);
  });

  it('statelessUniform: the same numbers on every backend, and TensorFlow’s', async () => {
    // tf.raw_ops.StatelessRandomUniform(shape=[5], seed=[1, 2]) and (shape=[3], seed=[-7, 0]), TensorFlow 2.21.0.
    const cases: [tf.Tensor, number[]][] = [
      [statelessUniform([5], ids([1, 2])), [0.84406042, 0.19204533, 0.99622321, 0.1603874, 0.27199018]],
      [statelessUniform([3], -7), [0.68749547, 0.5322957, 0.91651881]],
    ];
    for (const [got, want] of cases) {
      await expectTensorClose(got, want, { atol: 1e-7, rtol: 0 });
      got.dispose();
    }
  });

  it('dropout: keeps the mean, drops about the rate, repeats for a seed and differs between seeds', async () => {
    const x = tf.ones([200, 100]);
    const [a, b, c] = [dropout(x, 0.3, 7), dropout(x, 0.3, 7), dropout(x, 0.3, ids([8]))];
    const [va, vb, vc] = [await a.data(), await b.data(), await c.data()];
    expect(va).toEqual(vb);
    expect(va).not.toEqual(vc);
    const zeros = Array.from(va).filter((v) => v === 0).length / va.length;
    expect(zeros).toBeGreaterThan(0.28);
    expect(zeros).toBeLessThan(0.32);
    expect(new Set(va)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
    tf.dispose([x, a, b, c]);
  });

  it('embedding copies rows of any id shape', async () => {
    const table = tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const tokens = ids([2, 0, 1, 2], [2, 2]);
    const rows = await expectNoLeak(() => embedding(table, tokens));
    expect(rows.shape).toEqual([2, 2, 2]);
    await expectTensorClose(rows, [5, 6, 1, 2, 3, 4, 5, 6], { atol: 0, rtol: 0 });
    tf.dispose([table, tokens, rows]);
  });

  it('a whole layer leaks nothing, forward or backward', async () => {
    const [x, g, w, b] = [normal([2, 3, 4], 50), normal([4], 51), normal([4, 8], 52), normal([8], 53)];
    const layer = (...t: tf.Tensor[]) =>
      tf.sum(
        dropout(
          gelu(
            linear(
              layerNorm(t[0]!, t[1] as tf.Tensor1D, t[1] as tf.Tensor1D),
              t[2] as tf.Tensor2D,
              t[3] as tf.Tensor1D,
            ),
          ),
          0.1,
          3,
        ),
      );
    await expectNoLeak(() => tf.tidy(() => layer(x, g, w, b)));
    await expectNoLeak(() => tf.grads(layer)([x, g, w, b]));
    tf.dispose([x, g, w, b]);
  });
});

describe('matrix products agree with a plain loop', () => {
  const plain = (a: number[][], b: number[][]) =>
    a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));
  const flip = (m: number[][]) => m[0]!.map((_, j) => m.map((row) => row[j]!));

  it.for<[number[], number[], number, number, number]>([
    [[2, 3], [2, 3], 5, 7, 3],
    [[2, 3], [1, 3], 4, 4, 4],
    [[3], [], 1, 9, 2],
    [[], [], 33, 65, 34],
    [[2, 1, 2], [3, 1], 2, 3, 4],
  ])(
    'batch %j × %j of [%i, %i] × [.., %i], all transpositions',
    async ([batchA, batchB, m, k, n], context) => {
      if (tf.getBackend() === 'cpu' && batchA.length + batchB.length === 5) {
        context.skip('tfjs-backend-cpu 4.22.0 pairs the batches wrongly when both sides broadcast');
      }
      for (const [ta, tb] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        const a = normal([...batchA, ...(ta ? [k, m] : [m, k])], 60);
        const b = normal([...batchB, ...(tb ? [n, k] : [k, n])], 61);
        const product = await expectNoLeak(() => tf.matMul(a, b, ta, tb));
        const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
        expect(product.shape).toEqual([...batch, m, n]);
        const matrices = async (t: tf.Tensor, flipped: boolean) => {
          const full = tf.tidy(() =>
            tf.reshape(tf.broadcastTo(t, [...batch, ...t.shape.slice(-2)]), [-1, ...t.shape.slice(-2)]),
          );
          const list = (await full.array()) as number[][][];
          full.dispose();
          return flipped ? list.map(flip) : list;
        };
        const [as, bs] = [await matrices(a, ta), await matrices(b, tb)];
        await expectTensorClose(
          product,
          as.flatMap((matrix, i) => plain(matrix, bs[i]!).flat()),
          { atol: 1e-4 },
        );
        tf.dispose([a, b, product]);
      }
    },
  );
});

describe('bad input names the argument, what was expected and what came', () => {
  const x = () => tf.zeros([2, 3]);
  it.each<[string, () => unknown, string]>([
    [
      'layerNorm gamma',
      () => layerNorm(x(), tf.zeros([2]) as tf.Tensor1D, tf.zeros([3]) as tf.Tensor1D),
      'gamma must be of shape [3]',
    ],
    ['gelu', () => gelu(x(), 'fast' as 'tanh'), "approximate must be 'tanh' or 'none', received 'fast'"],
    [
      'cross entropy labels',
      () => softmaxCrossEntropy(x(), tf.zeros([2])),
      'labels must be an int32 tensor of shape [2], received a float32 tensor of shape [2]',
    ],
    [
      'cross entropy reduction',
      () => softmaxCrossEntropy(x(), ids([0, 1]), { reduction: 'max' as 'sum' }),
      "reduction must be 'mean', 'sum' or 'none'",
    ],
    [
      'causalSoftmax',
      () => causalSoftmax(tf.zeros([4, 3])),
      'offset must be an integer ≥ 0, so that every query sees a key, received -1',
    ],
    [
      'causalSoftmax rank',
      () => causalSoftmax(tf.zeros([4])),
      'scores must be of shape [.., queryLength, keyLength]',
    ],
    [
      'linear weight',
      () => linear(x(), tf.zeros([2, 4]) as tf.Tensor2D),
      'weight must be of shape [3, out] for x [2,3]',
    ],
    [
      'linear bias',
      () => linear(x(), tf.zeros([3, 4]) as tf.Tensor2D, tf.zeros([3]) as tf.Tensor1D),
      'bias must be of shape [4]',
    ],
    ['dropout rate', () => dropout(x(), 1, 0), 'rate must be in [0, 1), received 1'],
    ['dropout seed', () => dropout(x(), 0.5, 0.5), 'seed must be a 32-bit integer, received 0.5'],
    [
      'dropout seed tensor',
      () => dropout(x(), 0.5, tf.zeros([3], 'int32')),
      'seed must be an integer or an int32 tensor',
    ],
    ['embedding ids', () => embedding(x() as tf.Tensor2D, tf.zeros([2])), 'tokenIds must be an int32 tensor'],
    [
      'embedding table',
      () => embedding(tf.zeros([2]) as unknown as tf.Tensor2D, ids([0])),
      'table must be of shape [vocabSize, width]',
    ],
    ['clip nothing', () => globalNorm([]), 'tensors must be at least one tensor'],
    ['clip to 0', () => clipByGlobalNorm([x()], 0), 'maxNorm must be a positive number, received 0'],
  ])('%s', (_, call, message) => {
    tf.tidy(() => {
      let error: unknown;
      try {
        call();
      } catch (e) {
        error = e;
      }
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect((error as Error).message).toContain(message);
    });
  });
});
