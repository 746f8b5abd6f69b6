import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { cachedAttention, capture, exportOnnx, InvalidArgumentError } from '../src/index.js';
import { expectTensorClose, setupBackend } from '../src/testing/index.js';
import { graphExecutors } from './executors.js';

beforeAll(async () => {
  await setupBackend();
});

const headDim = 8;

/** Attention of the last `length` of all tokens, by its definition. */
function reference(
  all: { q: tf.Tensor3D; k: tf.Tensor3D; v: tf.Tensor3D },
  nHead: number,
  nKvHead: number,
  length: number,
  window = Number.POSITIVE_INFINITY,
) {
  return tf.tidy(() => {
    const [batch, total] = all.q.shape;
    const heads = (x: tf.Tensor3D, n: number) =>
      tf.transpose(tf.reshape(x, [batch, total, n, headDim]), [0, 2, 1, 3]);
    const repeat = (x: tf.Tensor) =>
      tf.reshape(tf.tile(tf.reshape(x, [batch, nKvHead, 1, total, headDim]), [1, 1, nHead / nKvHead, 1, 1]), [
        batch,
        nHead,
        total,
        headDim,
      ]);
    const scores = tf.mul(
      tf.matMul(heads(all.q, nHead), repeat(heads(all.k, nKvHead)), false, true),
      1 / Math.sqrt(headDim),
    );
    const mask = tf.tensor2d(
      Array.from({ length: total }, (_, i) =>
        Array.from({ length: total }, (_, j) => (j <= i && j > i - window ? 0 : -1e30)),
      ),
    );
    const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)), repeat(heads(all.v, nKvHead)));
    const context = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch, total, nHead * headDim]);
    return tf.slice(context, [0, total - length, 0], [batch, length, nHead * headDim]);
  });
}

function inputs(batch: number, total: number, nHead: number, nKvHead: number) {
  const make = (heads: number, seed: number) =>
    tf.randomNormal([batch, total, heads * headDim], 0, 1, 'float32', seed) as tf.Tensor3D;
  return { q: make(nHead, 1), k: make(nKvHead, 2), v: make(nKvHead, 3) };
}

const count = (n: number) => Int32Array.from({ length: n }, (_, i) => i);

it('the composite: prompt, then token by token, equal attention over everything', async () => {
  const [batch, total, nHead, nKvHead, capacity] = [2, 6, 4, 2, 9];
  const all = inputs(batch, total, nHead, nKvHead);
  for (const window of [undefined, 3]) {
    const expected = reference(all, nHead, nKvHead, total, window);
    let keys = tf.zeros<tf.Rank.R4>([batch, nKvHead, capacity, headDim]);
    let values = tf.zeros<tf.Rank.R4>([batch, nKvHead, capacity, headDim]);
    let start = 0;
    for (const length of [3, 1, 2]) {
      const part = (x: tf.Tensor3D) => tf.slice(x, [0, start, 0], [batch, length, x.shape[2]]);
      const last = tf.fill<tf.Rank.R1>([batch], start + length - 1, 'int32');
      const slots = tf.tensor1d(count(start + length), 'int32');
      const result = cachedAttention(
        { query: part(all.q), key: part(all.k), value: part(all.v), keys, values, last, slots },
        { nHead, ...(window === undefined ? {} : { window }) },
      );
      await expectTensorClose(result.context, part(expected as tf.Tensor3D), { atol: 1e-5 });
      ({ keys, values } = result);
      start += length;
    }
  }
});

it('refuses what does not fit', () => {
  const { q, k, v } = inputs(1, 2, 4, 2);
  const cache = tf.zeros<tf.Rank.R4>([1, 2, 4, headDim]);
  const rest = { last: tf.tensor1d([1], 'int32'), slots: tf.tensor1d([0, 1], 'int32') };
  const base = { query: q, key: k, value: v, keys: cache, values: cache, ...rest };
  expect(() => cachedAttention(base, { nHead: 3 })).toThrow(InvalidArgumentError);
  expect(() => cachedAttention({ ...base, key: q }, { nHead: 4 })).toThrow(/key/);
});

describe.runIf(graphExecutors.includes('onnx'))('on ONNX Runtime', () => {
  const [total, nHead, nKvHead, capacity] = [7, 4, 2, 16];
  const int = (...shape: (number | string)[]) => ({ shape, dtype: 'int32' as const });
  const cache = { shape: ['batch', nKvHead, 'capacity', headDim] };

  type Qkv = ReturnType<typeof inputs>;
  type Step = (
    part: Qkv,
    last: Int32Array,
    slots: Int32Array,
    keys: Float32Array,
    values: Float32Array,
  ) => Promise<{ context: tf.Tensor; keys: tf.Tensor; values: tf.Tensor }>;

  /** Gives `step` a prompt, then more tokens, in one row and in three; its contexts equal attention over everything. */
  async function expectReference(step: Step, window?: number) {
    for (const batch of [1, 3]) {
      const all = inputs(batch, total, nHead, nKvHead);
      const expected = reference(all, nHead, nKvHead, total, window) as tf.Tensor3D;
      let keys = new Float32Array(batch * nKvHead * capacity * headDim);
      let values = new Float32Array(keys.length);
      let start = 0;
      for (const length of batch === 1 ? [3, 1, 3] : [5, 1, 1]) {
        const part = (x: tf.Tensor3D) => tf.slice(x, [0, start, 0], [batch, length, x.shape[2]]);
        const last = new Int32Array(batch).fill(start + length - 1);
        const parts = { q: part(all.q), k: part(all.k), v: part(all.v) };
        const out = await step(parts, last, count(start + length), keys, values);
        await expectTensorClose(out.context, part(expected), { atol: 1e-5 });
        keys = out.keys.dataSync() as Float32Array<ArrayBuffer>;
        values = out.values.dataSync() as Float32Array<ArrayBuffer>;
        start += length;
      }
    }
  }

  it.each([undefined, 3])('one version for all lengths (window %s)', async (window) => {
    const step = capture(
      (
        query: tf.Tensor3D,
        key: tf.Tensor3D,
        value: tf.Tensor3D,
        last: tf.Tensor1D,
        slots: tf.Tensor1D,
        keys: tf.Tensor4D,
        values: tf.Tensor4D,
      ) =>
        cachedAttention(
          { query, key, value, last, slots, keys, values },
          { nHead, ...(window === undefined ? {} : { window }) },
        ),
      {
        executor: 'onnx',
        inputs: [
          { shape: ['batch', 'length', nHead * headDim] },
          { shape: ['batch', 'length', nKvHead * headDim] },
          { shape: ['batch', 'length', nKvHead * headDim] },
          int('batch'),
          int('total'),
          cache,
          cache,
        ],
      },
    );
    await expectReference(
      ({ q, k, v }, last, slots, keys, values) => step(q, k, v, last, slots, keys, values),
      window,
    );
    expect(step.traceCount).toBe(1);
    step.dispose();
  });

  it.each([
    { parts: 'query, key, value', order: [0, 1, 2], slices: 0 },
    { parts: 'query, value, key', order: [0, 2, 1], slices: 3 },
  ])('columns of one product: $parts', async ({ order, slices }) => {
    const widths = [nHead, nKvHead, nKvHead].map((heads) => heads * headDim);
    const step = capture(
      (qkv: tf.Tensor3D, last: tf.Tensor1D, slots: tf.Tensor1D, keys: tf.Tensor4D, values: tf.Tensor4D) => {
        const parts = tf.split(qkv, widths, 2) as tf.Tensor3D[];
        const [query, key, value] = order.map((at) => parts[at]) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
        return cachedAttention({ query, key, value, last, slots, keys, values }, { nHead });
      },
      {
        executor: 'onnx',
        inputs: [
          { shape: ['batch', 'length', widths[0]! + 2 * widths[1]!] },
          int('batch'),
          int('total'),
          cache,
          cache,
        ],
      },
    );
    await expectReference(({ q, k, v }, ...rest) => {
      const qkv = tf.concat(
        order.map((at) => [q, k, v][at]!),
        2,
      );
      return step(qkv, ...rest);
    });
    expect(step.traceCount).toBe(1);
    const empty = [tf.zeros([1, 1, 64]), [0], [0], tf.zeros([1, 2, 1, 8]), tf.zeros([1, 2, 1, 8])];
    const model = Buffer.from(exportOnnx(step, empty)).toString('latin1');
    expect(model.split('"\x05Slice').length - 1).toBe(slices); // the operator's name in a node
    step.dispose();
  });

  it('named lengths: sizes, ranges and sums of lengths are computed when the model runs', async () => {
    const f = (a: tf.Tensor, b: tf.Tensor) => {
      const [rows, width] = a.shape as [number, number];
      const both = tf.concat([a, b], 1); // [rows, width + 2]
      const counted = tf.add(both, tf.cast(tf.range(0, width + 2, 1, 'int32'), 'float32'));
      const flat = tf.reshape(counted, [-1]); // [rows · (width + 2)]
      return { flat, mean: tf.div(tf.sum(flat), rows * (width + 2)), tail: tf.slice(flat, [rows], [width]) };
    };
    const captured = capture(f, {
      executor: 'onnx',
      inputs: [{ shape: ['rows', 'width'] }, { shape: ['rows', 2] }],
    });
    for (const [rows, width] of [
      [1, 3],
      [4, 1],
      [5, 30],
    ] as const) {
      const a = tf.randomNormal([rows, width], 0, 1, 'float32', rows);
      const b = tf.randomNormal([rows, 2], 0, 1, 'float32', width);
      const got = await captured(a, b);
      const want = f(a, b);
      for (const name of ['flat', 'mean', 'tail'] as const)
        await expectTensorClose(got[name], want[name], { atol: 1e-5 });
    }
    expect(captured.traceCount).toBe(1);
    captured.dispose();
  });

  it('names what a length cannot be in', async () => {
    const halves = capture((x: tf.Tensor) => tf.slice(x, [0], [Math.floor(x.size / 2)]), {
      executor: 'onnx',
      inputs: [{ shape: ['length'] }],
    });
    await expect(halves(new Float32Array(8))).rejects.toThrow(/length/);
    const unclear = capture((x: tf.Tensor) => tf.neg(x), {
      executor: 'onnx',
      inputs: [{ shape: ['rows', 'columns'] }],
    });
    await expect(unclear(new Float32Array(8))).rejects.toThrow(/'rows'/);
  });
});
