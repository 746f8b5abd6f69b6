import { expectNoLeak, expectTensorClose, setupBackend } from '@gpt-lineage/compute/testing';
import { CLIP } from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  describe as describeModel,
  featureShape,
  GPT,
  InvalidConfigError,
  imageFeatures,
  MultimodalGPT,
  presets,
  stageFilter,
} from '../../src/index.js';
import { picture, resnet, sizes, tinyModel, vit } from './support.js';

beforeAll(setupBackend);

const projectors = ['linear', 'mlp', 'resampler'] as const;
const vision = (projector: (typeof projectors)[number]) =>
  projector === 'resampler'
    ? { projector, imageTokens: 3, resamplerLayers: 2, resamplerHeads: 4 }
    : { projector };

describe('image tokens', () => {
  it.each(projectors)('%s: a fixed number of tokens for each image', (projector) => {
    using model = tinyModel(vision(projector));
    const tokens = model.imageTokens(model.pixels([picture(1), picture(2, 40, 24)]));
    expect(tokens.shape).toEqual([2, projector === 'resampler' ? 3 : 4, 16]);
    tf.dispose(tokens);
  });

  it('come from the hidden state that the configuration names, without the class token', async () => {
    using clip = CLIP.create(vit, { seed: 3 });
    const pixels = clip.preprocess([picture(1)]);
    const { hiddenStates, lastHiddenState } = clip.vision(pixels, { outputHiddenStates: true });
    const features = (layer: number, classToken: boolean) =>
      imageFeatures(clip, pixels, { ...presets['gpt4v-tiny'].vision!, layer, classToken });
    const patches = (state: tf.Tensor) => tf.slice(state, [0, 1, 0], [1, 4, 12]);
    await expectTensorClose(features(-1, false), patches(lastHiddenState));
    await expectTensorClose(features(-2, false), patches(hiddenStates[2]!));
    await expectTensorClose(features(-2, true), hiddenStates[2]!);
    expect(() => features(-5, false)).toThrow(/4 hidden states/);
  });

  it('come from the last feature map of a ResNet', () => {
    using model = tinyModel({ projector: 'linear' }, {}, resnet);
    expect(featureShape(model.clip, { classToken: false })).toEqual([4, 128]);
    expect(model.imageTokens(model.pixels([picture(1, 64)])).shape).toEqual([1, 4, 16]);
  });

  it('the linear projection is one matrix product', async () => {
    using model = tinyModel({ projector: 'linear' });
    const pixels = model.pixels([picture(1)]);
    const { hiddenStates } = model.clip.vision(pixels, { outputHiddenStates: true });
    const features = (await hiddenStates[2]!.array())[0]!.slice(1);
    const weight = (await model.variables
      .get('multi_modal_projector.linear_1.weight')!
      .array()) as number[][];
    const expected = features.map((row) =>
      weight[0]!.map((_, column) => row.reduce((sum, value, i) => sum + value * weight[i]![column]!, 0)),
    );
    await expectTensorClose(model.imageTokens(pixels), [expected], { atol: 1e-4, rtol: 1e-4 });
  });

  it('each query of the resampler sees every patch, whatever their number', () => {
    using model = tinyModel({ ...vision('resampler'), projector: 'resampler' });
    const [small, large] = [picture(1, 16), picture(1, 16)].map((image) => model.pixels([image]));
    // A larger image has more patches and the same number of tokens.
    const more = tf.concat([large!, large!], 3) as tf.Tensor4D;
    expect(model.imageTokens(more).shape).toEqual([1, 3, 16]);
    const base = model.imageTokens(small!);
    const changed = tf.tidy(() => {
      const mask = tf.concat([tf.ones([1, 3, 16, 8]), tf.zeros([1, 3, 16, 8])], 3);
      return model.imageTokens(tf.mul(small!, mask) as tf.Tensor4D);
    });
    const difference = tf.max(tf.abs(tf.sub(base, changed)), [0, 2]).dataSync();
    for (const value of difference) expect(value).toBeGreaterThan(1e-5);
  });

  it.each(projectors)('%s: gradients agree with differences', async (projector) => {
    using model = tinyModel(vision(projector), { initializerRange: 0.1 });
    const pixels = model.pixels([picture(1)]);
    const random = tf.randomNormal([1, model.config.vision.imageTokens, 16], 0, 1, 'float32', 4);
    const loss = () => tf.sum(tf.mul(model.imageTokens(pixels), random)) as tf.Scalar;
    const names = [...model.variables.keys()].filter(
      (name) => name.startsWith('multi_modal') && !/key_value.bias/.test(name),
    );
    const variables = names.map((name) => model.variables.get(name)!);
    const { grads } = tf.variableGrads(loss, variables);
    for (const [i, variable] of variables.entries()) {
      const gradient = (await grads[variable.name]!.data()) as Float32Array;
      const at = gradient.reduce(
        (best, value, j) => (Math.abs(value) > Math.abs(gradient[best]!) ? j : best),
        0,
      );
      const values = (await variable.data()).slice() as Float32Array;
      const shifted = (by: number) => {
        const moved = values.slice();
        moved[at]! += by;
        variable.assign(tf.tensor(moved, variable.shape));
        return loss().dataSync()[0]!;
      };
      const numeric = (shifted(0.01) - shifted(-0.01)) / 0.02;
      variable.assign(tf.tensor(values, variable.shape));
      expect(Math.abs(numeric - gradient[at]!), names[i]!).toBeLessThan(
        0.03 * Math.abs(gradient[at]!) + 0.03,
      );
    }
  });
});

describe('configuration', () => {
  it('counts the projector', () => {
    const base = { vocabSize: 100, ...sizes };
    const count = (projector: (typeof projectors)[number]) =>
      describeModel({
        ...base,
        vision: { nEmbd: 12, imageTokens: 4, projector, resamplerLayers: 1, resamplerHeads: 2 },
      }).parametersByGroup.vision;
    expect(count('linear')).toBe(12 * 16 + 16);
    expect(count('mlp')).toBe(12 * 16 + 16 + 16 * 16 + 16);
    const block = 4 * (16 * 16 + 16) + 8 * 16 * 16 + 4 * 16 + 16 + 6 * 16;
    expect(count('resampler')).toBe(12 * 16 + 16 + 4 * 16 + block + 2 * 16);
    using model = tinyModel();
    expect(model.gpt.parameterCount).toBe(describeModel(model.gpt.config).parameters);
  });

  it('refuses what does not fit, naming the field', () => {
    const clip = CLIP.create(vit, { seed: 3 });
    const make = (config: object) => () =>
      MultimodalGPT.create({ vocabSize: 300, ...sizes, ...config } as never, { clip });
    expect(make({ vision: { projector: 'linear', imageTokens: 5 } })).toThrow(
      /vision.imageTokens.*4 features/,
    );
    expect(make({ vision: { projector: 'linear', nEmbd: 13 } })).toThrow(/vision.nEmbd.*12/);
    expect(make({ vision: { projector: 'resampler' } })).toThrow(/vision.imageTokens/);
    expect(make({ vision: { projector: 'cubic' } })).toThrow(InvalidConfigError);
    expect(make({ vision: { projector: 'linear', layer: -9 } })).toThrow(/vision.layer/);
    expect(make({ vision: { projector: 'linear', layer: 0 } })).toThrow(InvalidConfigError);
    expect(make({ contextLength: 4, vision: { projector: 'linear' } })).toThrow(/room for text/);
    expect(make({ vision: { projector: 'resampler', imageTokens: 2, resamplerHeads: 3 } })).toThrow(
      /resamplerHeads/,
    );
    using plain = GPT.create({ vocabSize: 10, ...sizes });
    expect(() => new MultimodalGPT(plain, clip)).toThrow(/vision/);
    clip.dispose();
  });
});

describe('loss', () => {
  it('is the language model’s on a sequence of embeddings with the image in its place', async () => {
    using model = tinyModel();
    const { vocabSize } = model.config;
    const pixels = model.pixels([picture(1), picture(2)]);
    // a [image 0] b [image 1] c d
    const ids = [
      97,
      ...[0, 1, 2, 3].map((i) => vocabSize + i),
      98,
      ...[4, 5, 6, 7].map((i) => vocabSize + i),
      99,
      100,
    ];
    const tokenIds = tf.tensor2d([ids], [1, ids.length], 'int32');
    const loss = model.loss(tokenIds, tokenIds, pixels);

    const table = model.variables.get('transformer.wte.weight')!;
    const word = (id: number) => tf.slice(table, [id, 0], [1, 16]);
    const tokens = tf.unstack(model.imageTokens(pixels)) as tf.Tensor2D[];
    const rows = tf.concat([word(97), tokens[0]!, word(98), tokens[1]!, word(99), word(100)], 0);
    const embeddings = tf.reshape(rows, [1, ids.length, 16]) as tf.Tensor3D;
    const labels = ids.map((id) => (id < vocabSize ? id : -100));
    const expected = model.gpt.loss(
      tf.zeros([1, ids.length], 'int32'),
      tf.tensor2d([labels], [1, ids.length], 'int32'),
      { embeddings },
    );
    await expectTensorClose(loss, expected);
  });

  it('does not count image tokens: other labels in their place change nothing', () => {
    using model = tinyModel();
    const { vocabSize } = model.config;
    const ids = [97, vocabSize, vocabSize + 1, vocabSize + 2, vocabSize + 3, 98, 99];
    const labels = [97, vocabSize + 3, vocabSize, vocabSize, -100, 98, 99];
    const row = (values: number[]) => tf.tensor2d([values], [1, values.length], 'int32');
    const pixels = model.pixels([picture(1)]);
    const [a, b] = [ids, labels].map((own) => model.loss(row(ids), row(own), pixels).dataSync()[0]!);
    expect(a).toBe(b);
    // Two targets count: 98 after the image, and 99.
    const logits = model.gpt.forward(row(ids), {
      softTokens: tf.reshape(model.imageTokens(pixels), [4, 16]) as tf.Tensor2D,
    }).logits;
    const logProbs = tf.logSoftmax(logits).arraySync() as number[][][];
    expect(a).toBeCloseTo(-(logProbs[0]![4]![98]! + logProbs[0]![5]![99]!) / 2, 4);
  });

  it('reaches exactly what the stage trains', () => {
    using model = tinyModel();
    const { vocabSize } = model.config;
    const ids = [97, vocabSize, vocabSize + 1, vocabSize + 2, vocabSize + 3, 98, 99];
    const tokenIds = tf.tensor2d([ids], [1, ids.length], 'int32');
    const pixels = model.pixels([picture(1)]);
    const all = [...model.variables];
    const { grads } = tf.variableGrads(
      () => model.loss(tokenIds, tokenIds, pixels),
      all.filter(([, variable]) => variable.trainable).map(([, variable]) => variable),
    );
    const reached = all
      .filter(([, variable]) => {
        const gradient = grads[variable.name] as tf.Tensor | null | undefined;
        return gradient && tf.max(tf.abs(gradient)).dataSync()[0]! > 0;
      })
      .map(([name]) => name);
    const trained = (stage: 'align' | 'instruct' | 'full') =>
      all.map(([name]) => name).filter(stageFilter(model, stage));
    // Softmax does not see a constant added to all keys; everything else that a stage trains has a gradient.
    expect(new Set(trained('full').filter((name) => !reached.includes(name)))).toEqual(new Set());
    expect(reached.filter((name) => !trained('full').includes(name))).toEqual([]);
    expect(trained('align').every((name) => name.startsWith('multi_modal_projector.'))).toBe(true);
    expect(trained('instruct').some((name) => name.startsWith('vision_tower.'))).toBe(false);
    // The third block comes after the features, and the text tower has nothing to do with them.
    expect(trained('full').some((name) => /blocks\.2|projection|postNorm|text/.test(name))).toBe(false);
    expect(trained('full').some((name) => /blocks\.1/.test(name))).toBe(true);
  });

  it('leaves no tensor behind', async () => {
    using model = tinyModel(vision('resampler'));
    const image = picture(1);
    await expectNoLeak(() => {
      const pixels = model.pixels([image]);
      const tokenIds = tf.tensor2d([[97, 257, 98]], [1, 3], 'int32');
      tf.dispose([model.loss(tokenIds, tokenIds, pixels), pixels, tokenIds]);
    });
  });
});
