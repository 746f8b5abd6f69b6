import { expectNoLeak, expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  denseAttention,
  rotaryEmbedding,
  SegmentMemory,
  shawAttention,
  sinusoidalPositions,
  t5Bucket,
  t5RelativeBias,
  transformerXLAttention,
} from '../src/index.js';
import { fixture, fixtureJson } from './support.js';

beforeAll(setupBackend);

const config = fixtureJson<Record<string, number>>('rel-pos/config.json');
const output = { atol: 1e-5, rtol: 0 };
const gradient = { atol: 1e-4, rtol: 0 };

describe('rotary', () => {
  const file = fixture('rel-pos/rotary.safetensors');

  it.each(['neox', 'gptj'] as const)('%s: full, partial and offset', async (layout) => {
    const [q, k] = [file.tensor('q'), file.tensor('k')];
    const full = await expectNoLeak(() => rotaryEmbedding(q, { layout }));
    await expectTensorClose(full, file.tensor(`${layout}.full`), output);
    const partial = rotaryEmbedding(q, { layout, rotaryDim: config.rot_dim! });
    await expectTensorClose(partial, file.tensor(`${layout}.partial`), output);
    const moved = file.tensor(`${layout}.full_offset`);
    await expectTensorClose(rotaryEmbedding(q, { layout, offset: config.rot_offset! }), moved, output);
    const fed = tf.scalar(config.rot_offset!, 'int32');
    await expectTensorClose(rotaryEmbedding(q, { layout, offset: fed }), moved, output);
    const positions = file.tensor<tf.Tensor1D>('positions_offset');
    await expectTensorClose(rotaryEmbedding(q, { layout, positions }), moved, output);
    const scores = tf.matMul(full, rotaryEmbedding(k, { layout }), false, true);
    await expectTensorClose(scores, file.tensor(`${layout}.scores`), { atol: 2e-5, rtol: 0 });
  });
});

describe('Shaw', () => {
  const file = fixture('rel-pos/shaw.safetensors');

  it.each([
    ['causal', true],
    ['bidirectional', false],
  ] as const)('%s output, weights and gradients', async (name, causal) => {
    const inputs = ['q', 'k', 'v', 'rel_keys', 'rel_values'].map((key) => file.tensor(key)) as tf.Tensor[];
    const gradOut = file.tensor('grad_out');
    const run = (...x: tf.Tensor[]) => {
      const [q, k, v, relativeKeys, relativeValues] = x as [
        tf.Tensor4D,
        tf.Tensor4D,
        tf.Tensor4D,
        tf.Tensor2D,
        tf.Tensor2D,
      ];
      return shawAttention(q, k, v, { relativeKeys, relativeValues, causal, returnWeights: true });
    };
    const result = await expectNoLeak(() => run(...inputs));
    await expectTensorClose(result.output, file.tensor(`${name}.out`), output);
    await expectTensorClose(result.weights, file.tensor(`${name}.probs`), output);
    const grads = await expectNoLeak(() =>
      tf.grads((...x: tf.Tensor[]) => tf.sum(tf.mul(run(...x).output, gradOut)))(inputs),
    );
    for (const [i, key] of ['d_q', 'd_k', 'd_v', 'd_rel_keys', 'd_rel_values'].entries()) {
      await expectTensorClose(grads[i]!, file.tensor(`${name}.${key}`), gradient);
    }
  });
});

describe('T5', () => {
  const file = fixture('rel-pos/t5.safetensors');

  it('buckets', async () => {
    const relative = await file.tensor<tf.Tensor1D>('relative_position').data();
    for (const [key, bidirectional] of [
      ['buckets_causal', false],
      ['buckets_bidirectional', true],
    ] as const) {
      const expected = await file.tensor<tf.Tensor1D>(key).data();
      expect(Array.from(relative, (r) => t5Bucket(r, { bidirectional }))).toEqual(Array.from(expected));
    }
  });

  it('bias and attention', async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((key) => file.tensor(key)) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const table = file.tensor<tf.Tensor2D>('bias_table');
    const bias = await expectNoLeak(() => t5RelativeBias(table, config.T!, config.T!));
    await expectTensorClose(tf.squeeze(bias, [0]), file.tensor('bias_HTT'), output);
    const fed = t5RelativeBias(table, config.T!, config.T!, { queryOffset: tf.scalar(0, 'int32') });
    await expectTensorClose(fed, bias, { atol: 0, rtol: 0 });
    const unscaled = denseAttention(q, k, v, { causal: true, scale: 1, bias });
    await expectTensorClose(unscaled, file.tensor('out_unscaled'), output);
    await expectTensorClose(
      denseAttention(q, k, v, { causal: true, bias }),
      file.tensor('out_scaled'),
      output,
    );
  });
});

describe('Transformer-XL', () => {
  const file = fixture('rel-pos/transformer_xl.safetensors');
  const heads = config.H!;
  const nEmbd = config.txl_d!;
  const headDim = nEmbd / heads;

  type Weights = Record<string, tf.Tensor>;
  const weightsOf = (layer: number): Weights =>
    Object.fromEntries(
      file.names
        .filter((name) => name.startsWith(`layers.${layer}.`))
        .map((name) => [name.split('.')[2]!, file.tensor<tf.Tensor>(name)]),
    );

  const project = (x: tf.Tensor3D, matrix: tf.Tensor): tf.Tensor4D => {
    const [batch, length] = x.shape;
    const rows = tf.matMul(tf.reshape(x, [-1, nEmbd]), matrix as tf.Tensor2D);
    return tf.transpose(tf.reshape(rows, [batch, length, heads, headDim]), [0, 2, 1, 3]) as tf.Tensor4D;
  };

  /** One attention layer, after the output projection, without residual. */
  function layer(hidden: tf.Tensor3D, extended: tf.Tensor3D, w: Weights) {
    const [batch, length] = hidden.shape;
    const keyLength = extended.shape[1];
    const sinusoid = sinusoidalPositions(keyLength, nEmbd, { layout: 'concat' });
    const r = tf.reshape(tf.matMul(sinusoid, w.Wr as tf.Tensor2D), [keyLength, heads, headDim]);
    const { output, weights } = transformerXLAttention(
      project(hidden, w.Wq!),
      project(extended, w.Wk!),
      project(extended, w.Wv!),
      {
        positionKeys: tf.transpose(r, [1, 0, 2]) as tf.Tensor3D,
        contentBias: w.u as tf.Tensor2D,
        positionBias: w.v as tf.Tensor2D,
        returnWeights: true,
      },
    );
    const merged = tf.reshape(tf.transpose(output, [0, 2, 1, 3]), [batch * length, nEmbd]) as tf.Tensor2D;
    const out = tf.reshape(tf.matMul(merged, w.Wo as tf.Tensor2D), [batch, length, nEmbd]) as tf.Tensor3D;
    return { out, weights };
  }

  it('sinusoid: row = distance, sines then cosines', async () => {
    const table = file.tensor<tf.Tensor2D>('sinusoid');
    await expectTensorClose(sinusoidalPositions(table.shape[0], nEmbd, { layout: 'concat' }), table, output);
  });

  it('single layer with memory: output, weights, gradients', async () => {
    const w = weightsOf(0);
    const names = ['Wq', 'Wk', 'Wv', 'Wr', 'Wo', 'u', 'v'];
    const hidden = file.tensor<tf.Tensor3D>('single.h');
    const mem = file.tensor<tf.Tensor3D>('single.mem');
    const gradOut = file.tensor('single.grad_out');
    const run = (h: tf.Tensor3D, weights: Weights) => {
      using memory = new SegmentMemory({ nLayer: 1, memoryLength: config.txl_mem! });
      memory.extend(0, mem);
      return layer(h, memory.extend(0, h), weights);
    };
    const result = await expectNoLeak(() => tf.tidy(() => ({ ...run(hidden, w) })));
    await expectTensorClose(result.out, file.tensor('single.out'), output);
    await expectTensorClose(result.weights, file.tensor('single.probs'), output);
    const inputs = [hidden, ...names.map((name) => w[name]!)];
    const grads = await expectNoLeak(() =>
      tf.grads((...x: tf.Tensor[]) => {
        const own = { ...w, ...Object.fromEntries(names.map((name, i) => [name, x[i + 1]!])) };
        return tf.sum(tf.mul(run(x[0] as tf.Tensor3D, own).out, gradOut));
      })(inputs),
    );
    for (const [i, key] of ['h', ...names].entries()) {
      await expectTensorClose(grads[i]!, file.tensor(`single.d_${key}`), gradient);
    }
  });

  it('two layers over four segments, memory empty at the start', async () => {
    const x = file.tensor<tf.Tensor3D>('segments.x');
    const [batch] = x.shape;
    const length = config.txl_T!;
    const layers = [weightsOf(0), weightsOf(1)];
    const norm = (y: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor) => {
      const { mean, variance } = tf.moments(y, -1, true);
      return tf.add(
        tf.mul(tf.div(tf.sub(y, mean), tf.sqrt(tf.add(variance, 1e-5))), gain),
        bias,
      ) as tf.Tensor3D;
    };
    const feed = (h: tf.Tensor3D, w: Weights) => {
      const flat = tf.reshape(h, [-1, nEmbd]) as tf.Tensor2D;
      const inner = tf.relu(tf.add(tf.matMul(flat, w.W1 as tf.Tensor2D), w.b1!)) as tf.Tensor2D;
      return tf.reshape(tf.add(tf.matMul(inner, w.W2 as tf.Tensor2D), w.b2!), h.shape) as tf.Tensor3D;
    };
    const memory = new SegmentMemory({ nLayer: 2, memoryLength: config.txl_mem! });
    const segments = Array.from({ length: config.txl_segments! }, (_, s) =>
      tf.tidy(() => {
        let h = tf.slice(x, [0, s * length, 0], [batch, length, nEmbd]);
        for (const [i, w] of layers.entries()) {
          const attended = layer(h, memory.extend(i, h), w).out;
          const h1 = norm(tf.add(h, attended), w.ln1_g!, w.ln1_b!);
          h = norm(tf.add(h1, feed(h1, w)), w.ln2_g!, w.ln2_b!);
        }
        return h;
      }),
    );
    await expectTensorClose(tf.concat(segments, 1), file.tensor('segments.out'), { atol: 2e-5, rtol: 0 });
    for (const i of [0, 1]) {
      await expectTensorClose(memory.read(i)!, file.tensor(`segments.mem_final.${i}`), {
        atol: 2e-5,
        rtol: 0,
      });
    }
    const before = tf.memory().numTensors;
    memory.dispose();
    expect(tf.memory().numTensors).toBe(before - 2);
  });
});
