import { GPT, initCompute } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { ScalarHeadModel } from '../src/index.js';
import { Measurements } from '../src/rollouts/measure.js';
import { tinyModel } from './tiny-model.js';

const sequences = [
  { promptTokenIds: [1, 2, 3], completionTokenIds: [4, 5] },
  { promptTokenIds: [7], completionTokenIds: [8, 9, 10, 11] },
  { promptTokenIds: [3, 3], completionTokenIds: [6] },
];

it('a frozen model is measured like any other, also after its weights did change', async () => {
  await initCompute();
  using model = tinyModel();
  using value = ScalarHeadModel.create(model);
  const tensors = tf.memory().numTensors;
  const live = new Measurements({ length: 8, first: 1 }, { temperature: 0.7 });
  const frozen = new Measurements({ length: 8, first: 1 }, { temperature: 0.7, frozen: [model, value] });
  const close = (a: readonly number[][], b: readonly number[][]) => {
    expect(a.map((row) => row.length)).toEqual(sequences.map((item) => item.completionTokenIds.length));
    a.flat().forEach((number, at) => {
      expect(number).toBeCloseTo(b.flat()[at]!, 4);
    });
  };
  for (const factor of [1, 1.5]) {
    for (const variable of model.variables.values()) tf.tidy(() => variable.assign(tf.mul(variable, factor)));
    const [a, b] = [await frozen.predictions(model, sequences), await live.predictions(model, sequences)];
    close(a.logProbs, b.logProbs);
    close(a.entropies, b.entropies);
    close(await frozen.logProbs(model, sequences), b.logProbs);
    close(await frozen.values(value, sequences), await live.values(value, sequences));
  }
  live.dispose();
  frozen.dispose();
  expect(tf.memory().numTensors).toBe(tensors);
});

it('so is one whose layers ONNX Runtime has no counterpart for', async () => {
  await initCompute();
  using model = GPT.create(
    { vocabSize: 16, contextLength: 8, nLayer: 1, nHead: 2, nEmbd: 16, layerPattern: 'topk(2)' } as never,
    { seed: 1 },
  );
  const [live, frozen] = [
    new Measurements({ length: 8, first: 1 }),
    new Measurements({ length: 8, first: 1 }, { frozen: [model] }),
  ];
  const [a, b] = [await frozen.predictions(model, sequences), await live.predictions(model, sequences)];
  a.logProbs.flat().forEach((number, at) => {
    expect(number).toBeCloseTo(b.logProbs.flat()[at]!, 4);
  });
  live.dispose();
  frozen.dispose();
});
