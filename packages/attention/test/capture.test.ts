import { capture } from '@gpt-lineage/compute';
import { expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  alibiBias,
  bandedAttention,
  bandedPattern,
  chunkedAttention,
  denseAttention,
  fixedAttention,
  KVCache,
  rotaryEmbedding,
  shawAttention,
  sinusoidalPositions,
  stridedAttention,
  t5RelativeBias,
  topKAttention,
  transformerXLAttention,
} from '../src/index.js';
import { random } from './support.js';

beforeAll(setupBackend);

type Attention = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) => tf.Tensor4D;

const [heads, length, dim] = [2, 12, 4];

const training: [string, Attention][] = [
  ['dense', (q, k, v) => denseAttention(q, k, v, { causal: true, queryTile: 5, dropout: 0.3, seed: 4 })],
  ['chunked', (q, k, v) => chunkedAttention(q, k, v, { causal: true, queryChunk: 5, keyChunk: 4 })],
  ['banded', (q, k, v) => bandedAttention(q, k, v, { window: 5, block: 3 })],
  ['strided', (q, k, v) => stridedAttention(q, k, v, { stride: 4 })],
  ['fixed', (q, k, v) => fixedAttention(q, k, v, { stride: 4, summary: 2 })],
  ['top-k', (q, k, v) => topKAttention(q, k, v, { k: 3 })],
  [
    'rotary',
    (q, k, v) =>
      denseAttention(rotaryEmbedding(q), rotaryEmbedding(k, { layout: 'gptj' }), v, { causal: true }),
  ],
  ['ALiBi', (q, k, v) => denseAttention(q, k, v, { causal: true, bias: alibiBias(heads, length, length) })],
  [
    'Shaw',
    (q, k, v) => {
      const relativeKeys = random([5, dim], 40) as tf.Tensor as tf.Tensor2D;
      return shawAttention(q, k, v, { relativeKeys, relativeValues: relativeKeys, causal: true });
    },
  ],
  [
    'Transformer-XL',
    (q, k, v) =>
      transformerXLAttention(tf.slice(q, [0, 0, 7, 0], [1, heads, 5, dim]), k, v, {
        positionKeys: random([heads, length, dim], 41) as tf.Tensor as tf.Tensor3D,
        contentBias: random([heads, dim], 42) as tf.Tensor as tf.Tensor2D,
        positionBias: random([heads, dim], 43) as tf.Tensor as tf.Tensor2D,
      }),
  ],
];

describe('captured as one graph, forward and backward', () => {
  it.each(training)('%s: the numbers of the eager run', async (_name, attention) => {
    const inputs = [1, 2, 3].map((seed) => random([1, heads, length, dim], seed));
    const step = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => {
      const { value, grads } = tf.valueAndGrads((...x) => {
        const output = attention(x[0] as tf.Tensor4D, x[1] as tf.Tensor4D, x[2] as tf.Tensor4D);
        return tf.sum(tf.square(output)) as tf.Scalar;
      })([q, k, v]);
      return { value, dq: grads[0]!, dk: grads[1]!, dv: grads[2]! };
    };
    const expected = tf.tidy(() => step(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])));
    using captured = capture(step);
    const result = await captured(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor]));
    for (const name of ['value', 'dq', 'dk', 'dv'] as const) {
      await expectTensorClose(result[name], expected[name], { atol: 1e-4, rtol: 1e-4 });
    }
  });
});

/** One decoding step: the position comes in as a tensor, so one graph serves every position. */
interface Decoder {
  readonly name: string;
  readonly layer: ConstructorParameters<typeof KVCache>[0]['layers'][number];
  attend(
    q: tf.Tensor4D,
    k: tf.Tensor4D,
    v: tf.Tensor4D,
    at: { queryOffset?: number | tf.Tensor; keyPositions?: tf.Tensor },
  ): tf.Tensor4D;
}

const table = () => random([8, heads], 50) as tf.Tensor as tf.Tensor2D;
const decoders: Decoder[] = [
  {
    name: 'dense, rotary',
    layer: { kind: 'full', capacity: length },
    attend: (q, k, v, at) => denseAttention(q, k, v, { causal: true, ...at }),
  },
  {
    name: 'banded, ring',
    layer: { kind: 'window', window: 4 },
    attend: (q, k, v, at) => bandedAttention(q, k, v, { window: 4, ...at }),
  },
  {
    name: 'strided',
    layer: { kind: 'full', capacity: length },
    attend: (q, k, v, at) => stridedAttention(q, k, v, { stride: 3, ...at }),
  },
  {
    name: 'fixed',
    layer: { kind: 'full', capacity: length },
    attend: (q, k, v, at) => fixedAttention(q, k, v, { stride: 3, ...at }),
  },
  {
    name: 'top-k',
    layer: { kind: 'full', capacity: length },
    attend: (q, k, v, at) => topKAttention(q, k, v, { k: 3, ...at }),
  },
  {
    name: 'dense, T5 bias',
    layer: { kind: 'full', capacity: length },
    attend: (q, k, v, at) => {
      const bias = t5RelativeBias(table(), q.shape[2], k.shape[2], { maxDistance: 9, ...at });
      return denseAttention(q, k, v, { causal: true, bias, ...at });
    },
  },
  {
    name: 'banded, ALiBi through a ring',
    layer: { kind: 'window', window: 4 },
    attend: (q, k, v, at) =>
      denseAttention(q, k, v, {
        pattern: bandedPattern(4),
        bias: alibiBias(heads, q.shape[2], k.shape[2], at),
        ...at,
      }),
  },
  {
    name: 'Shaw',
    layer: { kind: 'full', capacity: length },
    attend: (q, k, v, at) => {
      const relativeKeys = random([5, dim], 40) as tf.Tensor as tf.Tensor2D;
      return shawAttention(q, k, v, { relativeKeys, relativeValues: relativeKeys, causal: true, ...at });
    },
  },
  {
    name: 'Transformer-XL scores',
    layer: { kind: 'full', capacity: length },
    attend: (q, k, v, at) =>
      transformerXLAttention(q, k, v, {
        positionKeys: tf.transpose(
          tf.reshape(sinusoidalPositions(length, heads * dim, { layout: 'concat' }), [length, heads, dim]),
          [1, 0, 2],
        ) as tf.Tensor3D,
        contentBias: random([heads, dim], 42) as tf.Tensor as tf.Tensor2D,
        positionBias: random([heads, dim], 43) as tf.Tensor as tf.Tensor2D,
        ...at,
      }),
  },
];

describe('a decoding step captured once, run at every position', () => {
  it.each(decoders.map((d) => [d.name, d] as const))('%s', async (_name, { layer, attend }) => {
    const all = [1, 2, 3].map((seed) => random([1, heads, length, dim], seed)) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const expected = attend(rotaryEmbedding(all[0]), rotaryEmbedding(all[1]), all[2], {});
    using cache = new KVCache({ batch: 1, nKvHead: heads, headDim: dim, layers: [layer] });
    const step = (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, position: tf.Tensor) => {
      const turned = rotaryEmbedding(k, { offset: position });
      const { key, value, positions } = cache.append(0, turned, v, position);
      return attend(rotaryEmbedding(q, { offset: position }), key, value, positions);
    };
    using captured = capture(step);
    for (let at = 0; at < length; at++) {
      const row = (x: tf.Tensor4D) => tf.slice(x, [0, 0, at, 0], [1, heads, 1, dim]);
      const output = await captured(row(all[0]), row(all[1]), row(all[2]), tf.scalar(at, 'int32'));
      cache.advance(1);
      await expectTensorClose(output, row(expected), { atol: 1e-5, rtol: 1e-5 });
    }
    if (captured.executor !== 'eager') expect(captured.traceCount).toBe(1);
  });
});
