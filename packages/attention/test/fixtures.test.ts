import { expectNoLeak, expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { bandedAttention, denseAttention } from '../src/index.js';
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
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 8 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 3 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 5 })],
  ['banded_unscaled', (q, k, v) => bandedAttention(q, k, v, { window: 8, block: 4, scale: 1 })],
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
});
