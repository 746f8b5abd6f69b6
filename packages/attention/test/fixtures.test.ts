import { expectNoLeak, expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import {
  bandedAttention,
  denseAttention,
  fixedAttention,
  stridedAttention,
  topKAttention,
} from '../src/index.js';
import { fixture } from './support.js';

beforeAll(setupBackend);

const inputs = fixture('attention_inputs.safetensors');
const outputs = fixture('attention_outputs.safetensors');
const grads = fixture('attention_grads.safetensors');

type Attention = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) => tf.Tensor4D;

/** Reference: PyTorch in float64 on the masks of `attention_masks`, stored as float32. */
const cases: [string, Attention][] = [
  ['dense', (q, k, v) => denseAttention(q, k, v, { causal: true })],
  ['dense', (q, k, v) => denseAttention(q, k, v, { causal: true, queryTile: 7 })],
  ['dense', (q, k, v) => denseAttention(q, k, v, { causal: true, queryTile: 10, keyTile: 4 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 8 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 3 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 5 })],
  ['banded_unscaled', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 4, scale: 1 })],
  ['strided', (q, k, v) => stridedAttention(q, k, v, { stride: 8 })],
  ['strided_a1', (q, k, v) => stridedAttention(q, k, v, { stride: 8, factor: 'local' })],
  ['strided_a1_paper', (q, k, v) => bandedAttention(q, k, v, { window: 9 })],
  ['strided_a2', (q, k, v) => stridedAttention(q, k, v, { stride: 8, factor: 'column' })],
  ['strided_heads', (q, k, v) => stridedAttention(q, k, v, { stride: 8, factor: 'perHead' })],
  ['fixed', (q, k, v) => fixedAttention(q, k, v, { stride: 8, summary: 2 })],
  ['fixed_a1', (q, k, v) => fixedAttention(q, k, v, { stride: 8, summary: 2, factor: 'block' })],
  ['fixed_a2', (q, k, v) => fixedAttention(q, k, v, { stride: 8, summary: 2, factor: 'summary' })],
  [
    'fixed_a2_paper',
    (q, k, v) => fixedAttention(q, k, v, { stride: 8, summary: 2, factor: 'summary', ownBlock: true }),
  ],
  ['fixed_heads', (q, k, v) => fixedAttention(q, k, v, { stride: 8, summary: 2, factor: 'perHead' })],
  ['topk', (q, k, v) => topKAttention(q, k, v, { k: 5 })],
];

describe('reference fixtures', () => {
  it.each(cases)('%s output and gradients (%#)', async (name, attention) => {
    const [q, k, v, gradOut] = ['q', 'k', 'v', 'grad_out'].map((key) => inputs.tensor(key)) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const output = await expectNoLeak(() => attention(q, k, v));
    await expectTensorClose(output, outputs.tensor(name), { atol: 1e-5, rtol: 0 });
    if (!grads.names.includes(`${name}.dq`)) return;
    const loss = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) =>
      tf.sum(tf.mul(attention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D), gradOut)) as tf.Scalar;
    const [dq, dk, dv] = await expectNoLeak(() => tf.grads(loss)([q, k, v]));
    await expectTensorClose(dq!, grads.tensor(`${name}.dq`), { atol: 1e-4, rtol: 0 });
    await expectTensorClose(dk!, grads.tensor(`${name}.dk`), { atol: 1e-4, rtol: 0 });
    await expectTensorClose(dv!, grads.tensor(`${name}.dv`), { atol: 1e-4, rtol: 0 });
  });

  it('banded: the last query alone, as in cached decoding', async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((key) => inputs.tensor(key)) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const last = tf.slice(q, [0, 0, 36, 0], [2, 3, 1, 16]);
    const output = bandedAttention(last, k, v, { window: 8 });
    await expectTensorClose(output, outputs.tensor('banded_last_row'), { atol: 1e-5, rtol: 0 });
  });

  it('returned weights', async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((key) => inputs.tensor(key)) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const dense = await expectNoLeak(() =>
      denseAttention(q, k, v, { causal: true, returnWeights: true, queryTile: 10 }),
    );
    await expectTensorClose(dense.weights, outputs.tensor('dense_probs'), { atol: 1e-5, rtol: 0 });
    await expectTensorClose(dense.output, outputs.tensor('dense'), { atol: 1e-5, rtol: 0 });
    const banded = await expectNoLeak(() => bandedAttention(q, k, v, { window: 8, returnWeights: true }));
    await expectTensorClose(banded.weights, outputs.tensor('banded_probs'), { atol: 1e-5, rtol: 0 });
    const { weights } = topKAttention(q, k, v, { k: 5, returnWeights: true });
    const kept = tf.cast(tf.greater(weights, 0), 'int32');
    await expectTensorClose(kept, outputs.tensor('topk_kept'), { atol: 0, rtol: 0 });
  });

  it('top-k: equal scores at the cut keep the earlier key', async () => {
    const ties = fixture('attention_topk_ties.safetensors');
    const [q, k, v] = ['q', 'k', 'v'].map((key) => ties.tensor(key)) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const { output, weights } = topKAttention(q, k, v, { k: 5, returnWeights: true });
    await expectTensorClose(tf.cast(tf.greater(weights, 0), 'int32'), ties.tensor('kept'), {
      atol: 0,
      rtol: 0,
    });
    await expectTensorClose(weights, ties.tensor('probs'), { atol: 1e-5, rtol: 0 });
    await expectTensorClose(output, ties.tensor('out'), { atol: 1e-5, rtol: 0 });
    await expectTensorClose(topKAttention(q, k, v, { k: 5 }), ties.tensor('out'), { atol: 1e-5, rtol: 0 });
  });
});
