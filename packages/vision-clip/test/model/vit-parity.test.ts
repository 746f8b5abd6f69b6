import { setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { huggingFaceNames } from '../../src/checkpoint-names.js';
import type { ClipConfig } from '../../src/config.js';
import { clipLoss } from '../../src/index.js';
import { CLIP } from '../../src/model/clip.js';
import { type FixtureTensor, fixtureJson, fixturePath, fixtureTensors, maxDifference } from '../support.js';

const tolerance = 1e-4;
let clip: CLIP;
let io: Record<string, FixtureTensor>;

beforeAll(async () => {
  await setupBackend();
  clip = await CLIP.load(fixturePath('clip-vit-tiny/model/'));
  io = await fixtureTensors('clip-vit-tiny/io.safetensors');
});
afterAll(() => clip.dispose());

const tensor = (t: FixtureTensor, dtype: 'float32' | 'int32' = 'float32') =>
  tf.tensor(t.data as Float32Array, [...t.shape], dtype);

async function expectClose(actual: tf.Tensor, expected: FixtureTensor | undefined): Promise<void> {
  expect(expected).toBeDefined();
  expect(actual.shape).toEqual(expected!.shape);
  expect(maxDifference(await actual.data(), expected!.data as Float32Array)).toBeLessThan(tolerance);
}

/** d loss / d parameter under transformers' names. */
async function gradients(model: CLIP, pixels: tf.Tensor, ids: tf.Tensor): Promise<Map<string, Float32Array>> {
  const variables = [...model.parameters.entries()];
  const { value, grads } = tf.variableGrads(
    () => {
      const { imageEmbeds, textEmbeds } = model.forward(pixels, ids);
      return clipLoss(imageEmbeds, textEmbeds, model.parameters.get('logitScale'));
    },
    variables.map(([, variable]) => variable),
  );
  value.dispose();
  const names = huggingFaceNames(model.config);
  const out = new Map<string, Float32Array>();
  for (const [ours, variable] of variables) {
    const gradient = (await grads[variable.name]!.data()) as Float32Array;
    const { names: theirs } = names.get(ours)!;
    const part = gradient.length / theirs.length;
    theirs.forEach((name, i) => {
      out.set(name, gradient.slice(i * part, (i + 1) * part));
    });
  }
  tf.dispose(grads);
  return out;
}

describe('vision transformer CLIP equals transformers', () => {
  it('loads every tensor', () => {
    expect(clip.unusedTensors).toEqual([]);
  });

  it('embeddings, features and logits', async () => {
    const pixels = tensor(io.pixel_values!);
    const ids = tensor(io.input_ids!, 'int32');
    const out = clip.forward(pixels, ids);
    await expectClose(out.imageEmbeds, io.image_embeds);
    await expectClose(out.textEmbeds, io.text_embeds);
    await expectClose(out.logitsPerImage, io.logits_per_image);
    await expectClose(out.logitsPerText, io.logits_per_text);
    await expectClose(clip.encodeImage(pixels, { normalize: false }), io.image_features);
    await expectClose(clip.encodeText(ids, { normalize: false }), io.text_features);
    const { probs } = await fixtureTensors('clip-vit-tiny/zero_shot.safetensors');
    await expectClose(tf.softmax(out.logitsPerImage), probs);
  });

  it('texts of different lengths, as lists, one by one', async () => {
    const { shape, data } = io.input_ids!;
    const [batch, length] = shape as [number, number];
    const eos = clip.config.text!.eosTokenId;
    const texts = Array.from({ length: batch }, (_, i) => {
      const row = Array.from((data as Int32Array).subarray(i * length, (i + 1) * length));
      return row.slice(0, row.indexOf(eos) + 1);
    });
    await expectClose(clip.encodeText(texts), io.text_embeds);
    const first = (await clip.encodeText(texts[0]!).data()) as Float32Array;
    expect(
      maxDifference(first, (io.text_embeds!.data as Float32Array).subarray(0, first.length)),
    ).toBeLessThan(tolerance);
  });

  it('hidden states and attention maps', async () => {
    const options = { outputHiddenStates: true, outputAttentions: true };
    const vision = clip.vision(tensor(io.pixel_values!), options);
    const text = clip.text(tensor(io.input_ids!, 'int32'), options);
    await expectClose(vision.lastHiddenState, io['vision.last_hidden_state']);
    await expectClose(vision.pooled, io['vision.pooler_output']);
    await expectClose(text.lastHiddenState, io['text.last_hidden_state']);
    await expectClose(text.pooled, io['text.pooler_output']);
    for (const [name, tower] of [
      ['vision', vision],
      ['text', text],
    ] as const) {
      expect(tower.hiddenStates.length).toBe(4);
      for (const [i, state] of tower.hiddenStates.entries())
        await expectClose(state, io[`${name}.hidden_states.${i}`]);
      expect(tower.attentions.length).toBe(3);
      for (const [i, map] of tower.attentions.entries())
        await expectClose(map, io[`${name}.attentions.${i}`]);
    }
  });

  it('the loss and every gradient', async () => {
    const expected = await fixtureTensors('clip-vit-tiny/grads.safetensors');
    const loss = clipLoss(
      tensor(io.image_embeds!) as tf.Tensor2D,
      tensor(io.text_embeds!) as tf.Tensor2D,
      clip.parameters.get('logitScale'),
    );
    expect(Math.abs((await loss.data())[0]! - (io.loss!.data as Float32Array)[0]!)).toBeLessThan(tolerance);
    const grads = await gradients(clip, tensor(io.pixel_values!), tensor(io.input_ids!, 'int32'));
    expect([...grads.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, gradient] of grads) {
      expect(maxDifference(gradient, expected[name]!.data as Float32Array), name).toBeLessThan(tolerance);
    }
  });

  it('exact GELU: forward and gradients', async () => {
    const config = fixtureJson<object>('clip-vit-tiny/model_gelu/config.json');
    const { parseConfigJson } = await import('../../src/checkpoint/config-json.js');
    const parsed: ClipConfig = parseConfigJson(config);
    expect(parsed.vision).toMatchObject({ activation: 'erf' });
    using model = new CLIP({
      config: parsed,
      preprocess: {},
      parameters: (await CLIP.load(fixturePath('clip-vit-tiny/model/'))).parameters,
    });
    const want = await fixtureTensors('clip-vit-tiny/io_gelu.safetensors');
    const pixels = tensor(io.pixel_values!);
    const ids = tensor(io.input_ids!, 'int32');
    const out = model.forward(pixels, ids);
    await expectClose(out.imageEmbeds, want.image_embeds);
    await expectClose(out.logitsPerImage, want.logits_per_image);
    const grads = await gradients(model, pixels, ids);
    for (const [name, { data }] of Object.entries(
      await fixtureTensors('clip-vit-tiny/grads_gelu.safetensors'),
    )) {
      expect(maxDifference(grads.get(name)!, data as Float32Array), name).toBeLessThan(tolerance);
    }
  });

  it('a larger image: positions resized', async () => {
    const want = await fixtureTensors('clip-vit-tiny/interpolate_pos.safetensors');
    const vision = clip.vision(tensor(want.pixel_values!));
    await expectClose(vision.pooled, want.pooler_output);
  });
});
