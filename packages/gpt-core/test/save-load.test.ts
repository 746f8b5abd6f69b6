import '@tensorflow/tfjs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CharacterTokenizer, GPT } from '../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-'));
beforeAll(async () => {
  await tf.setBackend('cpu');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('creates, generates, saves and loads', async () => {
  const before = tf.memory().numTensors;
  const tokenizer = CharacterTokenizer.train('to be, or not to be');
  const sizes = { vocabSize: tokenizer.vocabSize, contextLength: 16, nLayer: 2, nHead: 2, nEmbd: 16 };
  const model = GPT.create(sizes, { seed: 1, tokenizer });
  const options = { maxTokens: 20, temperature: 0.8, topK: 5, seed: 3 };
  const first = await model.generate('to be', options);
  expect(first.tokenIds).toHaveLength(20);
  await model.save(join(folder, 'model'));
  model.dispose();
  const loaded = await GPT.load(join(folder, 'model'));
  expect((await loaded.generate('to be', options)).text).toBe(first.text);
  expect(() => loaded.encode('to bex')).toThrow(/"x" \(U\+0078, at index 5\)/);
  loaded.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
