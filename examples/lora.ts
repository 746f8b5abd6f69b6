// Low-rank adapters: a GPT that knows plays learns a new manner, and only a tenth of its numbers are added.
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initCompute } from '@gpt-lineage/compute';
import { CharacterTokenizer, GPT, LoRA, pretrain, textSource, validationLoss } from '@gpt-lineage/gpt-core';
import { loadLoRA } from '@gpt-lineage/gpt-core/node';

await initCompute();
const play = (await readFile(new URL('./data/shakespeare.txt', import.meta.url), 'utf8')).slice(0, 60_000);
const shouted = play.toUpperCase(); // the new manner
const tokenizer = CharacterTokenizer.train(play + shouted);
const windows = { contextLength: 32 };
const options = { batchSize: 8, learningRate: 5e-3, warmup: 10 };

using model = GPT.create(
  { vocabSize: tokenizer.vocabSize, contextLength: 32, nLayer: 2, nHead: 4, nEmbd: 64 },
  { seed: 1, tokenizer },
);
for await (const _ of pretrain(model, textSource(play, tokenizer, windows).train, {
  ...options,
  steps: 100,
}));

const { train, validation } = textSource(shouted, tokenizer, windows);
const loss = async () => (await validationLoss(model, validation!)).loss.toFixed(2);
console.log(`before: ${await loss()} nats on shouted text`);

using adapter = LoRA.attach(model, { rank: 8, alpha: 16, targetModules: 'all-linear' });
for await (const _ of pretrain(model, train, { ...options, steps: 100, adapter }));
console.log(`with ${adapter.modules.length} adapters: ${await loss()} nats`);

const folder = await mkdtemp(join(tmpdir(), 'adapter-'));
await adapter.save(folder); // a PEFT folder: Python's peft loads it
adapter.merge(); // into the weights: nothing extra to compute from here on
console.log(`merged: ${await loss()} nats`);
adapter.unmerge();
adapter.dispose();
console.log(`without: ${await loss()} nats`);
using again = await loadLoRA(model, folder);
console.log(`loaded again (rank ${again.options.rank}): ${await loss()} nats`);
