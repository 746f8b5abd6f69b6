import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CheckpointError, GPT } from '../../src/index.js';
import { expectClose } from '../support/fixtures.js';

// Saved with torch.save by transformers 5.18: float32, one float16 and one bfloat16 tensor, tied embeddings.
const source = fileURLToPath(new URL('../fixtures/gpt2-bin/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gpt-core-bin-'));
const original = readFileSync(join(source, 'pytorch_model.bin'));
writeFileSync(join(folder, 'config.json'), readFileSync(join(source, 'config.json')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(async () => {
  await tf.setBackend('cpu');
});

it('reads a legacy pytorch_model.bin', async () => {
  const model = await GPT.load(source);
  const expected = JSON.parse(readFileSync(join(source, 'logits.json'), 'utf8')) as number[][];
  const logits = tf.tidy(() => model.forward([[1, 5, 18, 0]]).logits.dataSync() as Float32Array);
  expectClose(logits, Float32Array.from(expected.flat()), 1e-4);
  model.dispose();
});

async function load(bytes: Uint8Array): Promise<unknown> {
  writeFileSync(join(folder, 'pytorch_model.bin'), bytes);
  return GPT.load(folder).then(
    (model) => {
      model.dispose();
      return undefined;
    },
    (error: unknown) => error,
  );
}

it('runs nothing that the file asks for', async () => {
  const call = Buffer.from('ctorch._utils\n_rebuild_tensor_v2\n');
  const other = Buffer.from('cposix___\nsystem_____________\n');
  const evil = Buffer.from(original);
  for (let at = evil.indexOf(call); at >= 0; at = evil.indexOf(call)) {
    other.copy(evil, at);
    evil.fill(95, at + other.length - 1, at + call.length - 1);
    evil[at + call.length - 1] = 10;
  }
  expect(await load(evil)).toBeInstanceOf(CheckpointError);
});

it('a damaged file is a typed error, wherever the damage is', async () => {
  const tensors = tf.memory().numTensors;
  for (let length = 0; length < original.length; length += 97) {
    expect(await load(original.subarray(0, length))).toBeInstanceOf(CheckpointError);
  }
  for (let at = 0; at < original.length; at += 41) {
    const changed = Buffer.from(original);
    changed[at] = changed[at]! ^ 0xff;
    const error = await load(changed);
    // Numbers of a weight may change unseen: this format has no checksums that loading could afford.
    if (error !== undefined) expect(error).toBeInstanceOf(CheckpointError);
  }
  expect(tf.memory().numTensors).toBe(tensors);
});
