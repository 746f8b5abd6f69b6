// A character-level GPT learns a play: train, save, load, go on writing.
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initCompute } from '@gpt-lineage/compute';
import { CharacterTokenizer, GPT, pretrain, textSource } from '@gpt-lineage/gpt-core';

const { backend } = await initCompute(); // native TensorFlow if it is installed, else WebAssembly
const text = await readFile(new URL('./data/shakespeare.txt', import.meta.url), 'utf8');
const tokenizer = CharacterTokenizer.train(text);
const { train, validation } = textSource(text, tokenizer, { contextLength: 64 });

using model = GPT.create(
  { vocabSize: tokenizer.vocabSize, contextLength: 64, nLayer: 2, nHead: 4, nEmbd: 64 },
  { seed: 1, tokenizer },
);

const steps = 150; // 2,000 and a larger model make verse of it: see the shakespeare-cpu recipe
const events = pretrain(model, train, {
  steps,
  batchSize: 8,
  learningRate: 3e-3,
  warmup: 20,
  validateEvery: 50,
  ...(validation && { validation }),
});
for await (const event of events) {
  if (event.type === 'validation')
    console.log(`step ${event.step} on ${backend}: ${event.bitsPerByte?.toFixed(2)} bits per byte held out`);
}

const folder = await mkdtemp(join(tmpdir(), 'gpt-'));
await model.save(folder); // a Hugging Face folder
using reloaded = await GPT.load(folder);
const { text: verse } = await reloaded.generate('ROMEO:', {
  maxTokens: 80,
  temperature: 0.8,
  topK: 20,
  seed: 7,
});
console.log(`ROMEO:${verse}`);
