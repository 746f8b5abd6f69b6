import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkpointTensors } from '../src/checkpoint/write-weights.js';
import { familyOf } from '../src/checkpoint-names.js';
import { GPT } from '../src/index.js';
import {
  expectClose,
  type Fixture,
  fixtureJson,
  fixturePath,
  fixtureTensors,
  ints,
} from './support/fixtures.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

let before = 0;
beforeEach(() => {
  before = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors).toBe(before);
});

/** Gradients of the loss in the layout of the checkpoint, against the reference's. */
async function expectGradients(model: GPT, inputIds: tf.Tensor2D, reference: Fixture): Promise<void> {
  const { value, grads } = tf.variableGrads(() => model.loss(inputIds), [...model.variables.values()]);
  value.dispose();
  const byName = new Map([...model.variables].map(([name, variable]) => [name, grads[variable.name]!]));
  const tensors = checkpointTensors(byName, model.config, familyOf(model.config));
  let compared = 0;
  for (const [name, expected] of reference) {
    const { data } = tensors[name]!;
    expectClose((typeof data === 'function' ? await data() : data) as Float32Array, expected);
    compared += 1;
  }
  expect(compared).toBe(reference.size);
  tf.dispose(grads);
}

function expectForward(model: GPT, inputIds: tf.Tensor2D, io: Fixture): void {
  const output = model.forward(inputIds, { outputHiddenStates: true, outputAttentions: true });
  expectClose(output.logits, io.get('logits')!);
  expect(output.hiddenStates).toHaveLength(model.config.nLayer + 1);
  output.hiddenStates!.forEach((state, i) => {
    expectClose(state, io.get(`hidden_states.${i}`)!);
  });
  let maps = 0;
  output.attentions!.forEach((map, i) => {
    const expected = io.get(`attentions.${i}`);
    if (!expected) return;
    expectClose(map, expected);
    maps += 1;
  });
  expect(maps).toBe([...io.keys()].filter((name) => name.startsWith('attentions.')).length);
  const loss = model.loss(inputIds);
  expectClose(loss, { shape: [], values: io.get('loss')!.values });
  tf.dispose([output.logits, output.lastHiddenState, output.hiddenStates!, output.attentions!, loss]);
}

describe.each([
  { name: 'GPT-1', folder: 'gpt1-tiny/model', io: 'gpt1-tiny/io', grads: 'gpt1-tiny/grads' },
  { name: 'GPT-2', folder: 'gpt2-tiny/model', io: 'gpt2-tiny/io', grads: 'gpt2-tiny/grads' },
  {
    name: 'GPT-Neo (banded)',
    folder: 'gpt3-banded-tiny/gpt_neo',
    io: 'gpt3-banded-tiny/gpt_neo_io',
    grads: 'gpt3-banded-tiny/gpt_neo_grads',
  },
  {
    name: 'GPT-3 style (banded)',
    folder: 'gpt3-banded-tiny/gpt3_style',
    io: 'gpt3-banded-tiny/gpt3_style_io',
    grads: 'gpt3-banded-tiny/gpt3_style_grads',
    config: { layerPattern: ['dense', 'banded(8)'] },
  },
])('$name against the reference', ({ folder, io, grads, config }) => {
  it('logits, hidden states, attention maps, loss', async () => {
    using model = await GPT.load(fixturePath(folder), config ? { config } : {});
    const reference = await fixtureTensors(`${io}.safetensors`);
    const inputIds = ints(reference, 'input_ids');
    expectForward(model, inputIds, reference);
    inputIds.dispose();
    model.dispose();
  });

  it('gradients of every parameter', async () => {
    const model = await GPT.load(fixturePath(folder), config ? { config } : {});
    const inputIds = ints(await fixtureTensors(`${io}.safetensors`), 'input_ids');
    await expectGradients(model, inputIds, await fixtureTensors(`${grads}.safetensors`));
    inputIds.dispose();
    model.dispose();
  });
});

describe('losses over some of the labels', () => {
  it.each(['gpt1-tiny', 'gpt2-tiny'])('%s', async (name) => {
    const model = await GPT.load(fixturePath(`${name}/model`));
    const io = await fixtureTensors(`${name}/io.safetensors`);
    const extra = await fixtureTensors(`${name}/extra.safetensors`);
    const [inputIds, labels] = [ints(io, 'input_ids'), ints(extra, 'labels_masked')];
    const loss = model.loss(inputIds, labels);
    const scalars = fixtureJson<Record<string, number>>(`${name}/scalars.json`);
    const expected = scalars.loss_masked ?? scalars.loss_masked_labels;
    expectClose(loss, Float32Array.of(expected!));
    tf.dispose([inputIds, labels, loss]);
    model.dispose();
  });
});

describe('left padding', () => {
  it('is invisible: positions count from the first token, no token sees padding', async () => {
    const model = await GPT.load(fixturePath('gpt2-tiny/model'));
    const fixture = await fixtureTensors('gpt2-tiny/left_padded.safetensors');
    const [inputIds, attentionMask] = [ints(fixture, 'input_ids'), ints(fixture, 'attention_mask')];
    const kept = (logits: tf.Tensor) =>
      tf.tidy(() => tf.mul(logits, tf.expandDims(tf.cast(attentionMask, 'float32'), 2)));
    const { logits, lastHiddenState } = model.forward(inputIds, { attentionMask });
    const real = kept(logits);
    expectClose(real, fixture.get('logits')!);
    const positionIds = [0, 1, 2].map(() => Array.from({ length: 14 }, (_, position) => position));
    const plain = model.forward(inputIds, { attentionMask, positionIds });
    const realPlain = kept(plain.logits);
    expectClose(realPlain, fixture.get('logits_arange_positions')!);
    tf.dispose([inputIds, attentionMask, logits, lastHiddenState, real, realPlain]);
    tf.dispose([plain.logits, plain.lastHiddenState]);
    model.dispose();
  });
});
