import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CharacterTokenizer, GPT, type GPTConfigInput } from '../../src/index.js';

const python = process.env.PEERS_PYTHON ?? 'python3';
const hasTransformers = spawnSync(python, ['-c', 'import torch, transformers']).status === 0;
if (!hasTransformers) console.info(`skipped: ${python} cannot import transformers (set PEERS_PYTHON)`);
const script = fileURLToPath(new URL('../../tools/check_with_transformers.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gpt-core-hf-'));
beforeAll(async () => {
  await tf.setBackend('cpu');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const base = { vocabSize: 60, contextLength: 24, nLayer: 3, nHead: 4, nEmbd: 32, initializerRange: 0.2 };
const configs: Record<string, GPTConfigInput> = {
  gpt2: base,
  'gpt2-untied-erf': {
    ...base,
    tieEmbeddings: false,
    activation: 'gelu',
    nInner: 48,
    layerNormEpsilon: 1e-3,
  },
  'gpt2-unscaled': { ...base, scaleAttention: false },
  'gpt2-by-layer': { ...base, scaleAttentionByLayer: true },
  gpt1: { ...base, normPlacement: 'post' },
  'gpt1-relu': { ...base, normPlacement: 'post', activation: 'relu' },
  'gpt-neo': { ...base, scaleAttention: false, qkvBias: false, layerPattern: ['dense', 'banded(5)'] },
  'gpt-neo-dense': { ...base, scaleAttention: false, qkvBias: false, nInner: 40, activation: 'relu' },
};

describe.skipIf(!hasTransformers)('folders that we save', () => {
  it('load in transformers with equal logits', async () => {
    const inputIds = [
      [1, 5, 9, 3, 7, 11, 2, 59, 0, 4],
      [8, 8, 2, 31, 17, 45, 6, 1, 1, 20],
    ];
    const paths: string[] = [];
    for (const [name, config] of Object.entries(configs)) {
      const model = GPT.create(config, { seed: 3 });
      // Gains and biases that are not one and zero, so that no wiring mistake hides.
      for (const [index, variable] of [...model.variables.values()].entries()) {
        if (variable.rank === 1)
          variable.assign(
            tf.tidy(() => tf.add(variable, tf.randomNormal(variable.shape, 0, 0.2, 'float32', index))),
          );
      }
      const path = join(folder, name);
      await model.save(path, name === 'gpt2-unscaled' ? { maxShardBytes: 20_000 } : {});
      const { logits, lastHiddenState } = model.forward(inputIds);
      writeFileSync(join(path, 'expected.json'), JSON.stringify({ inputIds, logits: logits.arraySync() }));
      tf.dispose([logits, lastHiddenState]);
      const again = await GPT.load(path);
      expect(again.config).toEqual(model.config);
      again.dispose();
      model.dispose();
      paths.push(path);
    }
    const lines = execFileSync(python, [script, ...paths], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const results = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { maxDifference: number; modelType: string });
    expect(results.map(({ modelType }) => modelType)).toEqual([
      'gpt2',
      'gpt2',
      'gpt2',
      'gpt2',
      'openai-gpt',
      'openai-gpt',
      'gpt_neo',
      'gpt_neo',
    ]);
    for (const { maxDifference } of results) expect(maxDifference).toBeLessThan(1e-4);
  });

  it('have a tokenizer.json that the tokenizers library reads', () => {
    const tokenizer = CharacterTokenizer.train('hello world\n0123 é😀');
    const path = join(folder, 'tokenizer.json');
    writeFileSync(path, JSON.stringify(tokenizer.toTokenizerJSON()));
    const text = 'hello 😀\n31 wor';
    const code =
      'import sys, json, tokenizers; t = tokenizers.Tokenizer.from_file(sys.argv[1]); e = t.encode(sys.argv[2]).ids; print(json.dumps([e, t.decode(e)]))';
    const [ids, decoded] = JSON.parse(
      execFileSync(python, ['-c', code, path, text], { encoding: 'utf8' }),
    ) as [number[], string];
    expect(ids).toEqual(tokenizer.encode(text));
    expect(decoded).toBe(text);
  });
});
