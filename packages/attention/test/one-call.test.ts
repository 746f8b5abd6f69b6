import { computeInfo } from '@gpt-lineage/compute';
import { expectNoLeak, expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Attend, attendInOneCall, fitsOneCall } from '../src/core/one-call.js';
import { attendDense } from '../src/dense.js';
import { bandedPattern, type DenseAttentionOptions, denseAttention } from '../src/index.js';
import { random } from './support.js';

beforeAll(setupBackend);

const close = { atol: 1e-5, rtol: 1e-5 };

function inputsOf(batch: number, heads: number, keyHeads: number, rows: number, columns: number, seed = 1) {
  return [
    random([batch, heads, rows, 5], seed),
    random([batch, keyHeads, columns, 5], seed + 1),
    random([batch, keyHeads, columns, 3], seed + 2),
  ] as const;
}

/** The options that a call may bring along, with random contents. */
function optionsOf(names: readonly string[], shape: { batch: number; rows: number; columns: number }) {
  const { batch, rows, columns } = shape;
  const bits = (shape: number[], seed: number) =>
    tf.tidy(() => tf.cast(tf.greater(random(shape, seed), -0.8), 'float32'));
  const ids = (length: number, shift: number) =>
    tf.tensor2d(
      Array.from({ length: batch * length }, (_, i) => Math.floor(((i % length) + shift) / 6)),
      [batch, length],
      'int32',
    );
  const all: Record<string, () => Partial<DenseAttentionOptions>> = {
    causal: () => ({ causal: true }),
    padding: () => ({ paddingMask: bits([batch, columns], 5) }),
    segments: () => ({ segmentIds: { query: ids(rows, columns - rows), key: ids(columns, 0) } }),
    bias: () => ({ bias: random([1, 1, rows, columns], 6) }),
    mask: () => ({ mask: bits([rows, columns], 7) }),
    offset: () => ({ queryOffset: tf.scalar(columns - rows, 'int32') }),
    positions: () => ({
      keyPositions: tf.tensor1d(
        Array.from({ length: columns }, (_, i) => i - 1),
        'int32',
      ),
    }),
    scale: () => ({ scale: 0.3 }),
    tiles: () => ({ queryTile: 4 }),
    keyTiles: () => ({ queryTile: 5, keyTile: 7 }),
  };
  return Object.assign({}, ...names.map((name) => all[name]!())) as DenseAttentionOptions;
}

const tensorsOf = (options: DenseAttentionOptions) =>
  Object.values(options).flatMap((option) =>
    option instanceof tf.Tensor ? [option] : Object.values(option ?? {}),
  ) as tf.Tensor[];

describe('dense attention as one graph', () => {
  it('equals itself operation by operation, whatever the options', async () => {
    const cases = fc.record({
      names: fc.subarray([
        'causal',
        'padding',
        'segments',
        'bias',
        'mask',
        'offset',
        'positions',
        'scale',
        'tiles',
        'keyTiles',
      ]),
      batch: fc.integer({ min: 1, max: 2 }),
      keyHeads: fc.integer({ min: 1, max: 2 }),
      group: fc.integer({ min: 1, max: 3 }),
      columns: fc.integer({ min: 1, max: 40 }),
      extra: fc.nat(7),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ names, batch, keyHeads, group, columns, extra }) => {
        const rows = Math.max(1, columns - extra);
        const heads = keyHeads * group;
        const inputs = inputsOf(batch, heads, keyHeads, rows, columns);
        const options = optionsOf(names, { batch, rows, columns });
        const sizes = { batch, heads, keyHeads, queryLength: rows, keyLength: columns, headDim: 5 };
        const expected = denseAttention(...inputs, options);
        let calls = 0;
        for (let call = 0; call < 3; call++) {
          // So large a batch, as it is told, that the second call builds the graph.
          const told = { ...sizes, batch: 2 ** 24 };
          const attend: Attend = (...call) => {
            calls += 1;
            return attendDense(...call, sizes, true) as tf.Tensor4D;
          };
          const output = await expectNoLeak(() => attendInOneCall(attend, inputs, options, told));
          await expectTensorClose(output, expected, close);
          output.dispose();
        }
        // Once to compute, once to be traced: then the graph runs.
        const isNative = computeInfo()!.backend === 'tensorflow' && computeInfo()!.device === 'cpu';
        expect(calls).toBeLessThanOrEqual(isNative ? 2 : 3);
        tf.dispose([...inputs, expected, ...tensorsOf(options).filter((x) => x instanceof tf.Tensor)]);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 24), seed: 21 },
    );
  }, 180_000);

  it('is chosen for calls of some size that record no gradient and that numbers and tensors describe', () => {
    const sizes = { batch: 1, heads: 8, keyHeads: 8, queryLength: 256, keyLength: 256, headDim: 8 };
    expect(fitsOneCall({ causal: true }, sizes)).toBe(true);
    expect(fitsOneCall({}, { ...sizes, queryLength: 1 })).toBe(false);
    expect(fitsOneCall({}, { ...sizes, batch: 64 })).toBe(false);
    expect(fitsOneCall({ dropout: 0.1, seed: 1 }, sizes)).toBe(false);
    expect(fitsOneCall({ pattern: bandedPattern(4) }, sizes)).toBe(false);
    expect(fitsOneCall({ returnWeights: true }, sizes)).toBe(false);
    tf.grad((x) => {
      expect(fitsOneCall({}, sizes)).toBe(false);
      return tf.square(x);
    })(tf.scalar(1)).dispose();
  });

  it('the same call over and over gives the same output and leaves nothing; its gradients stay right', async () => {
    const inputs = inputsOf(2, 4, 2, 128, 128, 8);
    const gradients = () =>
      tf.grads((q, k, v) =>
        tf.sum(
          tf.square(denseAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, { causal: true })),
        ),
      )([...inputs]);
    const expected = denseAttention(...inputs, { causal: true });
    const before = gradients();
    const count = tf.memory().numTensors;
    for (let call = 0; call < 100; call++) {
      const output = denseAttention(...inputs, { causal: true });
      if (call % 30 === 0 || call === 99) await expectTensorClose(output, expected, close);
      output.dispose();
    }
    expect(tf.memory().numTensors).toBe(count);
    const after = gradients();
    for (const [i, gradient] of after.entries()) await expectTensorClose(gradient, before[i]!, close);
    tf.dispose([...inputs, expected, ...before, ...after]);
  });
});
