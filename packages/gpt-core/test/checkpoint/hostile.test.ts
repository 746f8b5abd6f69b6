import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CharacterTokenizer, GPT, GptLineageError } from '../../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-hostile-'));
const good = join(folder, 'good');
let model: GPT;
beforeAll(async () => {
  await tf.setBackend('cpu');
  const tokenizer = CharacterTokenizer.train('abcd');
  model = GPT.create(
    { vocabSize: 4, contextLength: 4, nLayer: 1, nHead: 1, nEmbd: 4 },
    { tokenizer, seed: 1 },
  );
  await model.save(good);
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** A copy of the good folder with one file changed. */
function damaged(file: string, change: (content: Buffer) => Uint8Array | string): string {
  const path = join(folder, 'damaged');
  rmSync(path, { recursive: true, force: true });
  cpSync(good, path, { recursive: true });
  writeFileSync(join(path, file), change(readFileSync(join(path, file))));
  return path;
}

async function expectRefused(path: string, message?: RegExp): Promise<void> {
  const before = tf.memory().numTensors;
  const error = await GPT.load(path).then(
    (loaded) => {
      loaded.dispose();
      return undefined;
    },
    (reason: unknown) => reason,
  );
  expect(GptLineageError.isInstance(error), String((error as Error)?.stack)).toBe(true);
  if (message) expect((error as Error).message).toMatch(message);
  expect(tf.memory().numTensors).toBe(before);
}

describe('GPT.load refuses, in one sentence, and leaves nothing behind', () => {
  const setConfig = (fields: object) => (content: Buffer) =>
    JSON.stringify({ ...(JSON.parse(content.toString()) as object), ...fields });

  it.each<[string, string, (content: Buffer) => Uint8Array | string, RegExp]>([
    ['truncated weights', 'model.safetensors', (b) => b.subarray(0, b.length - 8), /truncated/],
    ['empty weights', 'model.safetensors', () => '', /too few for a header/],
    [
      'a header that is too long',
      'model.safetensors',
      (b) => Buffer.concat([Buffer.alloc(8, 0xff), b.subarray(8)]),
      /header/,
    ],
    [
      'a flipped bit',
      'model.safetensors',
      (b) =>
        Buffer.concat([
          b.subarray(0, b.length - 9),
          Buffer.from([b[b.length - 9]! ^ 64]),
          b.subarray(b.length - 8),
        ]),
      /does not match its checksum/,
    ],
    ['broken config', 'config.json', () => '{', /not JSON/],
    ['a list for config', 'config.json', () => '[]', /not a JSON object/],
    ['another kind of model', 'config.json', setConfig({ model_type: 'llama' }), /model_type is "llama"/],
    ['another width', 'config.json', setConfig({ n_embd: 8 }), /has shape \[4,4\]|has shape/],
    ['more layers', 'config.json', setConfig({ n_layer: 2 }), /lack transformer\.h\.1/],
    ['a size of zero', 'config.json', setConfig({ n_head: 0 }), /"n_head"/],
    ['sizes that do not fit', 'config.json', setConfig({ n_head: 3 }), /"nHead" is 3/],
    ['an unknown activation', 'config.json', setConfig({ activation_function: 'swish' }), /"swish"/],
    ['broken tokenizer', 'tokenizer.json', () => 'x', /not JSON/],
    ['a tokenizer of another kind', 'tokenizer.json', () => '{"model":{"type":"Unigram"}}', /Unigram/],
    [
      'another tokenizer',
      'tokenizer.json',
      () => JSON.stringify(CharacterTokenizer.train('wxyz').toTokenizerJSON()),
      /trained with the tokenizer/,
    ],
  ])('%s', async (_, file, change, message) => {
    await expectRefused(damaged(file, change), message);
  });

  it('missing folder, missing files, a file in place of a folder', async () => {
    await expectRefused(join(folder, 'none'), /no such folder/);
    await expectRefused(join(good, 'config.json'), /is a file/);
    const path = damaged('config.json', (b) => b);
    rmSync(join(path, 'model.safetensors'));
    await expectRefused(path, /no model\.safetensors/);
    rmSync(join(path, 'config.json'));
    await expectRefused(path, /no config\.json/);
  });

  it('any bytes in the header of the weights', async () => {
    const original = readFileSync(join(good, 'model.safetensors'));
    const header = 8 + Number(original.readBigUInt64LE(0));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.nat(header - 1), byte: fc.nat(255) }), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const path = damaged('model.safetensors', (content) => {
            for (const { at, byte } of changes) content[at] = byte;
            return content;
          });
          // A change may be harmless (of a space, of metadata); then the model loads. Nothing else may happen.
          const loaded = await GPT.load(path).catch((error: unknown) => {
            expect(GptLineageError.isInstance(error), String((error as Error).stack)).toBe(true);
            return undefined;
          });
          loaded?.dispose();
        },
      ),
      { seed: 3, numRuns: 60 },
    );
  });

  it('any config', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.constantFrom(
            'n_embd',
            'n_layer',
            'n_head',
            'vocab_size',
            'n_positions',
            'n_inner',
            'eos_token_id',
            'gpt_lineage',
          ),
          fc.oneof(
            fc.integer({ min: -2, max: 9 }),
            fc.constant(null),
            fc.string(),
            fc.double(),
            fc.constant({ layerPattern: 3 }),
          ),
          { minKeys: 1 },
        ),
        async (fields) => {
          const loaded = await GPT.load(damaged('config.json', setConfig(fields))).catch((error: unknown) => {
            expect(GptLineageError.isInstance(error), String((error as Error).stack)).toBe(true);
            return undefined;
          });
          loaded?.dispose();
        },
      ),
      { seed: 5, numRuns: 60 },
    );
  });
});

describe('save', () => {
  it('refuses a place that cannot be written', async () => {
    await expect(model.save(join(good, 'config.json', 'below'))).rejects.toMatchObject({
      code: 'gpt-core/checkpoint',
    });
  });

  it('keeps what only our configurations can say', async () => {
    const config = {
      ...model.config,
      normPlacement: 'sandwich' as const,
      positions: 'alibi' as const,
      layerPattern: ['banded(2)'],
      memoryLength: 3,
    };
    const own = GPT.create(config, { seed: 2 });
    const path = join(folder, 'own');
    await own.save(path);
    expect(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))).toMatchObject({
      model_type: 'gpt_lineage',
    });
    const again = await GPT.load(path);
    expect(again.config).toEqual(own.config);
    for (const [name, variable] of own.variables) {
      expect(again.variables.get(name)!.dataSync()).toEqual(variable.dataSync());
    }
    own.dispose();
    again.dispose();
  });
});
