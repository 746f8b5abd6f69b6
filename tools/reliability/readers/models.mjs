// Readers of models: weights, configurations, adapters, training checkpoints.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  arrayStore,
  CharacterTokenizer,
  GPT,
  LoRA,
  parseConfig,
  pretrain,
  windowSource,
} from '@gpt-lineage/gpt-core';
import { loadLoRA, RunDirectory, readCheckpoint } from '@gpt-lineage/gpt-core/node';
import { CLIP } from '@gpt-lineage/vision-clip';
import { bytesSource, readSafetensors } from '@gpt-lineage/vision-clip/safetensors';
import { folderReader, valueReader } from './variants.mjs';

const pytorch = fileURLToPath(new URL('../../../packages/gpt-core/test/fixtures/gpt2-bin/', import.meta.url));
const small = { vocabSize: 4, contextLength: 4, nLayer: 1, nHead: 1, nEmbd: 4 };

export async function modelReaders(folder) {
  const path = (name) => join(folder, name);
  const tokenizer = CharacterTokenizer.train('abcd');
  const model = GPT.create(small, { tokenizer, seed: 1 });
  for (const name of ['weights', 'config', 'tokenizer', 'generation']) await model.save(path(`gpt-${name}`));
  const adapter = LoRA.attach(model, { rank: 2 });
  for (const name of ['weights', 'config']) await adapter.save(path(`lora-${name}`));
  adapter.dispose();
  await trainedFor2Steps(model, path('run'));

  const tower = { nEmbd: 4, nLayer: 1, nHead: 1, nInner: 4, activation: 'quick', layerNormEpsilon: 1e-5 };
  const clip = CLIP.create({
    embedDim: 4,
    vision: { kind: 'vit', imageSize: 4, patchSize: 2, ...tower },
    text: { vocabSize: 8, contextLength: 4, ...tower, eosTokenId: 7, bosTokenId: 6, padTokenId: 0 },
    logitScaleInit: 1,
  });
  for (const name of ['weights', 'config']) await clip.save(path(`clip-${name}`));
  clip.dispose();

  mkdirSync(path('pytorch'));
  for (const name of ['config.json', 'pytorch_model.bin'])
    copyFileSync(join(pytorch, name), path(`pytorch/${name}`));

  const weights = readFileSync(path('gpt-weights/model.safetensors'));
  const loadGPT = (at) => GPT.load(at);
  const loadCLIP = (at) => CLIP.load(at);
  const loadAdapter = (at) => loadLoRA(model, at);
  const config = JSON.stringify({ ...small, vocabSize: 10, nHead: 2, positions: 'rotary' });
  return {
    safetensors: {
      good: weights,
      async read(variant) {
        const file = await readSafetensors(bytesSource(variant));
        for (const name of file.tensors.keys()) await file.read?.(name);
      },
    },
    'GPT: model.safetensors': folderReader(path('gpt-weights'), 'model.safetensors', loadGPT),
    'GPT: config.json': folderReader(path('gpt-config'), 'config.json', loadGPT),
    'GPT: tokenizer.json': folderReader(path('gpt-tokenizer'), 'tokenizer.json', loadGPT),
    'GPT: generation_config.json': folderReader(path('gpt-generation'), 'generation_config.json', loadGPT),
    'GPT: pytorch_model.bin': folderReader(path('pytorch'), 'pytorch_model.bin', loadGPT),
    'LoRA: adapter_model.safetensors': folderReader(
      path('lora-weights'),
      'adapter_model.safetensors',
      loadAdapter,
    ),
    'LoRA: adapter_config.json': folderReader(path('lora-config'), 'adapter_config.json', loadAdapter),
    'training.json': checkpointReader(path('run'), 'training.json'),
    'training.safetensors': checkpointReader(path('run'), 'training.safetensors'),
    'CLIP: model.safetensors': folderReader(path('clip-weights'), 'model.safetensors', loadCLIP),
    'CLIP: config.json': folderReader(path('clip-config'), 'config.json', loadCLIP),
    'model config': valueReader(config, JSON.parse, parseConfig),
  };
}

async function trainedFor2Steps(model, out) {
  const checkpoints = new RunDirectory(out);
  await checkpoints.open();
  const letters = Array.from({ length: 40 }, (_, i) => i % 4);
  const source = windowSource(arrayStore(letters), { contextLength: 4, seed: 1 });
  for await (const _ of pretrain(model, source, { steps: 2, batchSize: 2, seed: 1, checkpoints }));
  checkpoints.close();
}

/** Checksums that fit the variant: what is tested is the reader behind them. */
function checkpointReader(run, file) {
  const folder = join(run, 'checkpoints/step-00000002');
  const good = readFileSync(join(folder, file));
  const list = join(folder, 'checksums.json');
  const checksums = readFileSync(list, 'utf8');
  return {
    good,
    async read(bytes) {
      const sum = createHash('sha256').update(bytes).digest('hex');
      writeFileSync(join(folder, file), bytes);
      writeFileSync(list, JSON.stringify({ ...JSON.parse(checksums), [file]: sum }));
      try {
        await readCheckpoint(folder);
      } finally {
        writeFileSync(join(folder, file), good);
        writeFileSync(list, checksums);
      }
    },
  };
}
