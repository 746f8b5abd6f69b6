import { setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openClipNames } from '../../src/checkpoint-names.js';
import { CLIP } from '../../src/model/clip.js';
import { type BatchStatistics, updateRunningStatistics } from '../../src/model/modified-resnet.js';
import { type FixtureTensor, fixturePath, fixtureTensors, maxDifference } from '../support.js';

let clip: CLIP;
let io: Record<string, FixtureTensor>;
beforeAll(async () => {
  await setupBackend();
  clip = await CLIP.load(fixturePath('clip-rn-tiny/model/'));
  io = await fixtureTensors('clip-rn-tiny/io.safetensors');
});
afterAll(() => clip.dispose());

const tensor = (t: FixtureTensor) => tf.tensor(t.data as Float32Array, [...t.shape]);

async function nchw(x: tf.Tensor): Promise<Float32Array> {
  return (await tf.transpose(x, [0, 3, 1, 2]).data()) as Float32Array;
}

const names = () => openClipNames(clip.config, { vision: '', text: '' });

describe('ModifiedResNet equals open_clip', () => {
  it('stages, attention pool and embedding', async () => {
    const pixels = tensor(io.pixel_values!);
    const { stages, pooled } = clip.resnet(pixels, { outputStages: true });
    for (const [i, name] of ['stem.out', 'layer1', 'layer2', 'layer3', 'layer4'].entries()) {
      expect(maxDifference(await nchw(stages[i]!), io[name]!.data as Float32Array), name).toBeLessThan(1e-4);
    }
    expect(maxDifference(await pooled.data(), io.attnpool!.data as Float32Array)).toBeLessThan(1e-4);
    const embedding = clip.encodeImage(pixels, { normalize: false });
    expect(maxDifference(await embedding.data(), io.embedding!.data as Float32Array)).toBeLessThan(1e-4);
    expect(() => clip.encodeText([1, 2])).toThrow(/only an image tower/);
  });

  it('gradients in evaluation mode', async () => {
    const expected = await fixtureTensors('clip-rn-tiny/grads_eval.safetensors');
    const variables = [...clip.parameters.entries()].filter(([, v]) => v.trainable);
    const { grads } = tf.variableGrads(
      () => tf.sum(tf.mul(clip.resnet(tensor(io.pixel_values!)).pooled, tensor(io.grad_out!))) as tf.Scalar,
      variables.map(([, v]) => v),
    );
    let checked = 0;
    for (const [ours, variable] of variables) {
      const { names: theirs, layout } = names().get(ours)!;
      const want = expected[theirs[0]!];
      if (!want) continue;
      let gradient = grads[variable.name]!;
      // ours [height, width, in, out] → theirs [out, in, height, width]
      if (layout === 'convolution') gradient = tf.transpose(gradient, [3, 2, 0, 1]);
      expect(maxDifference(await gradient.data(), want.data as Float32Array), ours).toBeLessThan(1e-4);
      checked++;
    }
    expect(checked).toBe(Object.keys(expected).length);
  });

  it('batch statistics and running averages in training mode', async () => {
    const expected = await fixtureTensors('clip-rn-tiny/train_mode.safetensors');
    using fresh = await CLIP.load(fixturePath('clip-rn-tiny/model/'));
    const collect: BatchStatistics[] = [];
    const { stages, pooled } = fresh.resnet(tensor(io.pixel_values!), { collect, outputStages: true });
    expect(maxDifference(await pooled.data(), expected.embedding!.data as Float32Array)).toBeLessThan(1e-4);
    expect(maxDifference(await nchw(stages[4]!), expected.layer4!.data as Float32Array)).toBeLessThan(1e-4);
    updateRunningStatistics(fresh.parameters, collect, 0.1);
    let checked = 0;
    for (const [ours, variable] of fresh.parameters.entries()) {
      if (variable.trainable) continue;
      const want = expected[`after.${names().get(ours)!.names[0]}`];
      expect(maxDifference(await variable.data(), want!.data as Float32Array), ours).toBeLessThan(1e-4);
      checked++;
    }
    expect(checked).toBe(Object.keys(expected).filter((name) => name.startsWith('after.')).length);
  });
});
