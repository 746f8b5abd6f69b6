import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { CaptureError, cachedAttention, capture, FeedError } from '../src/index.js';
import { expectTensorClose } from '../src/testing/index.js';

const [batch, nHead, headDim, capacity] = [2, 4, 8, 9];
const size = batch * nHead * capacity * headDim;

function attend(
  x: tf.Tensor3D,
  last: tf.Tensor1D,
  slots: tf.Tensor1D,
  { keys, values }: { keys: tf.Tensor4D; values: tf.Tensor4D },
) {
  const result = cachedAttention({ query: x, key: x, value: x, keys, values, last, slots }, { nHead });
  return { context: result.context, cache: { keys: result.keys, values: result.values } };
}

/** What every executor must do with results that overwrite arguments. */
export function inPlaceTests(executor: 'eager' | 'tensorflow' | 'onnx'): void {
  const cache: { shape: [number, number, number, number] } = { shape: [batch, nHead, capacity, headDim] };
  const inputs = [
    { shape: [batch, 1, nHead * headDim] },
    { shape: [batch], dtype: 'int32' as const },
    { shape: [executor === 'onnx' ? 'total' : 1], dtype: 'int32' as const },
    cache,
    cache,
  ];

  // TensorFlow has no operator that extends a cache.
  if (executor !== 'tensorflow') {
    it('writes into the arrays that it is given, token by token, and returns the rest', async () => {
      const step = capture(attend, { executor, inputs, inPlace: { cache: 3 } });
      const memory = new Float32Array(2 * size + 5);
      // Views into a larger array: neighbours stay as they are.
      const given = { keys: memory.subarray(2, 2 + size), values: memory.subarray(5 + size, 5 + 2 * size) };
      let own = { keys: tf.zeros<tf.Rank.R4>(cache.shape), values: tf.zeros<tf.Rank.R4>(cache.shape) };
      const tokens = executor === 'onnx' ? 4 : 1;
      for (let token = 0; token < tokens; token++) {
        const x = tf.randomNormal<tf.Rank.R3>([batch, 1, nHead * headDim], 0, 1, 'float32', token);
        const last = new Int32Array(batch).fill(token);
        const slots = Int32Array.from({ length: token + 1 }, (_, i) => i);
        const expected = attend(x, tf.tensor1d(last), tf.tensor1d(slots, 'int32'), own);
        own = expected.cache;
        const got = await step(x, last, slots, given);
        expect(Object.keys(got)).toEqual(['context']);
        await expectTensorClose(got.context, expected.context, { atol: 1e-5 });
      }
      expect(given.keys).toEqual(own.keys.dataSync());
      expect(given.values).toEqual(own.values.dataSync());
      expect([...memory.subarray(0, 2), ...memory.subarray(2 + size, 5 + size)]).toEqual([0, 0, 0, 0, 0]);
      step.dispose();
    });
  }

  it('also where nothing is shared: a result that is computed from the argument', async () => {
    const add = capture(
      (x: tf.Tensor1D, state: tf.Tensor1D) => ({ sum: tf.sum(x), state: tf.add(state, x) }),
      {
        executor,
        inPlace: { state: 1 },
      },
    );
    const state = new Float32Array(3);
    for (const x of [
      [1, 2, 3],
      [10, 20, 30],
    ])
      (await add(Float32Array.from(x), state)).sum.dispose();
    expect([...state]).toEqual([11, 22, 33]);
    add.dispose();
  });

  it('refuses tensors, other types, other shapes and results that are not there', async () => {
    const neg = (x: tf.Tensor) => ({ y: tf.neg(x) });
    const captured = capture(neg, { executor, inPlace: { y: 0 } });
    await expect(captured(tf.ones([2]))).rejects.toThrow(FeedError);
    const floats = capture(neg, { executor, inPlace: { y: 0 }, inputs: [{ shape: [2], dtype: 'float32' }] });
    await expect(floats(new Int32Array(2))).rejects.toThrow(/argument 0 .*typed array/);
    if (executor === 'eager') return;
    const sum = capture((x: tf.Tensor) => ({ y: tf.sum(x) }), { executor, inPlace: { y: 0 } });
    await expect(sum(new Float32Array(2))).rejects.toThrow(CaptureError);
    const misnamed = capture(neg, { executor, inPlace: { z: 0 } });
    await expect(misnamed(new Float32Array(2))).rejects.toThrow(/'z'/);
  });
}
