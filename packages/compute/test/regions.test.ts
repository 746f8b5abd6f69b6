import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { GraphNode, Value } from '../src/capture/graph.js';
import { trace } from '../src/capture/trace.js';
import { lower } from '../src/executors/tensorflow/lower.js';
import { planRegions } from '../src/executors/tensorflow/regions.js';
import { capture, gelu, layerNorm, linear } from '../src/index.js';
import { expectTensorClose } from '../src/testing/expect.js';
import { setupBackend } from '../src/testing/setup.js';
import { executors } from './executors.js';

beforeAll(setupBackend);

const [rows, width] = [512, 128];

/** Gradients of two layers whose elementwise parts are large enough to be compiled together. */
function step(x: tf.Tensor, up: tf.Tensor, bias: tf.Tensor, down: tf.Tensor): tf.Tensor[] {
  const loss = (...[a, w, b, v]: tf.Tensor[]) => {
    const [gain, shift] = [tf.ones([width]) as tf.Tensor1D, tf.zeros([width]) as tf.Tensor1D];
    const normed = layerNorm(a!, gain, shift);
    const inner = gelu(linear(normed, w as tf.Tensor2D, b as tf.Tensor1D));
    const out = tf.add(a!, linear(inner, v as tf.Tensor2D));
    return tf.mean(tf.square(tf.sub(out, tf.tanh(normed))));
  };
  const { value, grads } = tf.valueAndGrads(loss)([x, up, bias, down]);
  return [value, ...grads];
}

const inputs = () => [
  tf.randomNormal([rows, width], 0, 1, 'float32', 1),
  tf.randomNormal([width, 2 * width], 0, 0.1, 'float32', 2),
  tf.randomNormal([2 * width], 0, 0.1, 'float32', 3),
  tf.randomNormal([2 * width, width], 0, 0.1, 'float32', 4),
];
const metas = () =>
  [[rows, width], [width, 2 * width], [2 * width], [2 * width, width]].map((shape) => ({
    shape,
    dtype: 'float32' as const,
  }));
const traced = () => trace((t) => step(t[0]!, t[1]!, t[2]!, t[3]!), metas()).program;

describe('elementwise regions', () => {
  const options = {
    excluded: () => false,
    bytes: (v: Value) => v.shape.reduce((a, b) => a * b, 4),
    worthwhile: () => false,
  };

  it('stand in an order in which everything follows what it reads', () => {
    const program = traced();
    const units = planRegions(program, options);
    const done = new Set<Value>();
    let fused = 0;
    for (const unit of units) {
      const reads = 'nodes' in unit ? unit.inputs : (unit as GraphNode).inputs;
      for (const input of reads) expect(done.has(input)).toBe(true);
      if ('nodes' in unit) fused += unit.nodes.length;
      for (const value of unit.outputs) done.add(value);
    }
    for (const value of program.fetches) expect(done.has(value)).toBe(true);
    expect(fused).toBeGreaterThan(15);
  });

  it('compute GELU’s gate again in the backward pass instead of keeping it', () => {
    const program = traced();
    const gate = program.nodes.find(({ op }) => op === 'Sigmoid')!;
    const holders = planRegions(program, options).filter(
      (unit) => 'nodes' in unit && unit.nodes.includes(gate),
    );
    expect(holders.length).toBe(2);
    for (const { outputs } of holders) expect(outputs).not.toContain(gate.outputs[0]);
  });

  it('are one function for equal layers', () => {
    const twice = trace((t) => {
      const layer = (x: tf.Tensor) => gelu(linear(x, t[1] as tf.Tensor2D, null)) as tf.Tensor2D;
      return layer(linear(layer(t[0]!), t[3] as tf.Tensor2D));
    }, metas()).program;
    const keys: string[] = [];
    const lowered = lower(twice, {
      matmulPrecision: 'float32',
      variableName: () => '',
      inlineLimit: 100,
      addRegion: (key) => {
        keys.push(key);
        return 'shared';
      },
    });
    expect(keys.length).toBe(2);
    expect(keys[0]).toBe(keys[1]);
    expect(lowered.builder.nodes.filter(({ op }) => op === 'PartitionedCall').length).toBe(2);
  });

  it.runIf(executors.includes('tensorflow'))('give what eager execution gives', async () => {
    const given = inputs();
    const expected = tf.tidy(() => step(given[0]!, given[1]!, given[2]!, given[3]!));
    for (const [matmulPrecision, rtol] of [
      ['float32', 1e-4],
      ['bf16', 0.05],
    ] as const) {
      const captured = capture(step, { executor: 'tensorflow', matmulPrecision });
      const results = (await captured(given[0]!, given[1]!, given[2]!, given[3]!)) as tf.Tensor[];
      for (const [i, result] of results.entries()) {
        const values = await expected[i]!.data();
        const largest = Math.max(...Array.from(values, Math.abs));
        await expectTensorClose(result, values, { rtol, atol: rtol * largest });
      }
      tf.dispose(results);
      captured.dispose();
    }
    tf.dispose([given, expected]);
  });
});
