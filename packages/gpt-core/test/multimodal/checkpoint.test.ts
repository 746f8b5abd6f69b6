import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setupBackend } from '@gpt-lineage/compute/testing';
import { CLIP } from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  CheckpointError,
  GPT,
  humanAssistant,
  MultimodalGPT,
  type MultimodalPrompt,
} from '../../src/index.js';
import { chatModel, picture, resnet, tinyModel } from './support.js';

let folder = '';
beforeAll(setupBackend);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'multimodal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const prompt: MultimodalPrompt = ['a', picture(1), 'b'];
const options = { maxTokens: 5, temperature: 0, eosTokenIds: [] } as const;

it.each(['linear', 'mlp', 'resampler'] as const)(
  '%s: what is loaded says what was saved',
  async (projector) => {
    using model = tinyModel({
      projector,
      ...(projector === 'resampler' ? { imageTokens: 3, resamplerHeads: 4 } : {}),
    });
    await model.save(folder);
    using loaded = await MultimodalGPT.load(folder);
    expect(loaded.config).toEqual(model.config);
    const [said, again] = [await model.generate(prompt, options), await loaded.generate(prompt, options)];
    expect(again).toEqual(said);
  },
);

it('keeps template, tokenizer and encoder of every kind', async () => {
  using chat = await chatModel();
  await chat.save(folder);
  using loaded = await MultimodalGPT.load(folder);
  expect(loaded.template.name).toBe('jinja');
  expect(loaded.template.stop).toEqual(['<|end|>']);
  const messages = [{ role: 'user', content: [{ type: 'image' as const, image: picture(2) }] }];
  expect(loaded.countTokens(messages)).toEqual(chat.countTokens(messages));

  using other = new MultimodalGPT(
    GPT.create({ ...chat.gpt.config, vision: { ...chat.config.vision, nEmbd: 128 } }),
    CLIP.create(resnet, { seed: 1 }),
    humanAssistant,
  );
  await other.save(folder);
  using second = await MultimodalGPT.load(folder);
  expect(second.template.name).toBe('human-assistant');
  expect(second.clip.config.vision?.kind).toBe('resnet');
  // The encoder of the save before is gone.
  expect((await readdir(folder)).filter((name) => name.startsWith('vision-'))).toHaveLength(1);
});

it('an encoder in half precision takes half the space and is what is loaded', async () => {
  using model = tinyModel();
  await model.save(folder, { encoderDtype: 'F16' });
  using loaded = await MultimodalGPT.load(folder);
  const [a, b] = [model, loaded].map((one) => one.imageTokens(one.pixels([picture(1)])).dataSync());
  const largest = Math.max(...a!.map((value, i) => Math.abs(value - b![i]!)));
  expect(largest).toBeGreaterThan(0);
  expect(largest).toBeLessThan(0.02);
});

it('a save that breaks off leaves the folder as it was', async () => {
  using model = tinyModel();
  await model.save(folder);
  const said = await model.generate(prompt, options);
  for (const variable of model.variables.values()) {
    tf.tidy(() => {
      variable.assign(tf.mul(variable, 1.5));
    });
  }
  // The language model cannot be written: its weights' place is taken by a folder.
  const weights = await readFile(join(folder, 'model.safetensors'));
  const { gpt } = model;
  const save = gpt.save.bind(gpt);
  gpt.save = async (writer) => {
    await save({
      ...(writer as Exclude<typeof writer, string>),
      writeWeights: () => Promise.reject(new Error('disk full')),
    });
  };
  await expect(model.save(folder)).rejects.toThrow('disk full');
  expect((await readFile(join(folder, 'model.safetensors'))).equals(weights)).toBe(true);
  using loaded = await MultimodalGPT.load(folder);
  expect((await loaded.generate(prompt, options)).tokenIds).toEqual(said.tokenIds);
});

it('without its encoder, the caller gives it', async () => {
  using model = tinyModel();
  await model.save(folder, { encoder: 'none' });
  await expect(MultimodalGPT.load(folder)).rejects.toThrow(/without its image encoder/);
  const clip = CLIP.create(model.clip.config, { seed: 3 });
  using loaded = await MultimodalGPT.load(folder, { clip });
  expect(await loaded.generate(prompt, options)).toEqual(await model.generate(prompt, options));
});

it('refuses damaged and foreign folders', async () => {
  using model = tinyModel();
  await model.save(folder);
  const [name] = (await readdir(folder)).filter((entry) => entry.startsWith('vision-'));
  const path = join(folder, name!, 'model.safetensors');
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(path, bytes);
  await expect(MultimodalGPT.load(folder)).rejects.toThrow(/checksum/);
  await rm(join(folder, name!), { recursive: true });
  await expect(MultimodalGPT.load(folder)).rejects.toThrow(/vision-[0-9a-f]{8} is missing/);

  using plain = GPT.create({ vocabSize: 20, nLayer: 1, nHead: 1, nEmbd: 8, contextLength: 8 });
  await plain.save(folder);
  await expect(MultimodalGPT.load(folder)).rejects.toThrow(/names no image encoder/);
  await expect(MultimodalGPT.load(join(folder, 'nowhere'))).rejects.toThrow(CheckpointError);
});

it('a name that leaves the folder is refused', async () => {
  using model = tinyModel();
  await model.save(folder);
  const path = join(folder, 'model.safetensors');
  const bytes = await readFile(path);
  const at = bytes.indexOf('vision-');
  // As long as the name it takes the place of: the header's length stays right.
  bytes.write('../../../../etc', at, 'latin1');
  await writeFile(path, bytes);
  await expect(MultimodalGPT.load(folder)).rejects.toThrow(/names the image encoder "\.\.\//);
});
