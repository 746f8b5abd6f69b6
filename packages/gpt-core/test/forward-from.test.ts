import { initCompute } from '@gpt-lineage/compute';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { GPT, InvalidArgumentError } from '../src/index.js';

beforeAll(() => initCompute());

const rows = [
  [3, 1, 4, 1, 5, 9, 2, 6],
  [5, 3, 5, 8, 9, 7, 0, 0],
];
const attentionMask = [
  [1, 1, 1, 1, 1, 1, 1, 1],
  [1, 1, 1, 1, 1, 1, 0, 0],
];

const modelOf = (extra: object) =>
  GPT.create(
    { vocabSize: 12, contextLength: 16, nLayer: 2, nHead: 2, nEmbd: 16, initializerRange: 0.3, ...extra },
    { seed: 4 },
  );

describe('forward from a position', () => {
  it.each<[string, object]>([
    ['pre-norm', {}],
    ['post-norm', { normPlacement: 'post' }],
    ['norms on both sides', { normPlacement: 'sandwich' }],
    ['rotary positions', { positions: 'rotary' }],
    ['ALiBi', { positions: 'alibi' }],
    ['T5 biases', { positions: 't5' }],
    ['bands', { layerPattern: 'banded(3)' }],
    ['fixed blocks', { layerPattern: 'fixed(4, 1)' }],
    ['one layer', { nLayer: 1 }],
  ])('gives what a whole pass gives there: %s', (_, extra) => {
    using model = modelOf(extra);
    for (const options of [{}, { attentionMask }]) {
      const whole = tf.tidy(() => tf.slice(model.forward(rows, options).logits, [0, 5, 0], [2, 3, 12]));
      const { logits, lastHiddenState } = model.forward(rows, { ...options, from: 5 });
      expect(logits.shape).toEqual([2, 3, 12]);
      expect(lastHiddenState.shape).toEqual([2, 3, 16]);
      const [a, b] = [logits.dataSync(), whole.dataSync()];
      // Nothing is asked of padding.
      const real = options.attentionMask ? 3 * 12 + 12 : a.length;
      for (let i = 0; i < real; i++) expect(a[i]).toBeCloseTo(b[i]!, 4);
      tf.dispose([logits, lastHiddenState, whole]);
    }
  });

  it('has the same gradients', () => {
    using model = modelOf({ embeddingDropout: 0, attentionDropout: 0, residualDropout: 0 });
    const variables = [...model.variables.values()];
    const sum = (logits: tf.Tensor) => tf.sum(tf.square(logits)) as tf.Scalar;
    const parts = [
      tf.variableGrads(() => sum(model.forward(rows, { from: 5, training: true }).logits), variables),
      tf.variableGrads(() => {
        const { logits } = model.forward(rows, { training: true });
        return sum(tf.slice(logits, [0, 5, 0], [2, 3, 12]));
      }, variables),
    ] as const;
    for (const { name } of variables) {
      const [a, b] = parts.map(({ grads }) => grads[name]!.dataSync()) as [Float32Array, Float32Array];
      a.forEach((value, i) => {
        expect(Math.abs(value - b[i]!)).toBeLessThan(1e-4 * Math.max(1, Math.abs(b[i]!)));
      });
    }
    for (const { value, grads } of parts) tf.dispose([value, grads]);
  });

  it('refuses a position outside of the sequence, and what has no place for it', () => {
    using model = modelOf({});
    for (const from of [-1, 8, 1.5]) {
      expect(() => model.forward(rows, { from })).toThrow(InvalidArgumentError);
    }
    expect(() => model.forward(rows, { from: 2, segmentIds: attentionMask })).toThrow(/segments/);
  });
});
