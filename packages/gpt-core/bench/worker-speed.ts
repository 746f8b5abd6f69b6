/** One process of workers.bench.ts: `worker-speed.ts host:port,… index settings`; no addresses: alone. */
import { readFileSync } from 'node:fs';
import { initCompute, joinCluster } from '@gpt-lineage/compute';
import { CharacterTokenizer, GPT, pretrain, recipes, textSource } from '../src/index.js';

const [addresses = '', index = '0', settings = '{}'] = process.argv.slice(2);
const { recipe, batchSize, steps } = JSON.parse(settings) as {
  recipe: 'shakespeare-cpu' | 'shakespeare-gpu';
  batchSize: number;
  steps: number;
};
await initCompute({ prefer: 'tensorflow', strict: true });
const cluster =
  addresses === '' ? undefined : joinCluster({ workers: addresses.split(','), index: Number(index) });
const text = readFileSync(new URL('../data/tinyshakespeare.txt', import.meta.url), 'utf8');
const tokenizer = CharacterTokenizer.train(text);
const { model: sizes } = recipes[recipe];
const contextLength = sizes.contextLength!;
const dropouts = { embeddingDropout: 0, attentionDropout: 0, residualDropout: 0 };
const model = GPT.create({ ...sizes, ...dropouts, vocabSize: tokenizer.vocabSize }, { seed: 1 });
const { train } = textSource(text, tokenizer, { contextLength, seed: 1 });
const stepMs: number[] = [];
const losses: number[] = [];
for await (const event of pretrain(model, train, {
  steps,
  batchSize,
  // The same rows at once everywhere: with two workers each has half of the batch.
  microBatchSize: batchSize / 2,
  learningRate: 1e-3,
  ...(cluster && { cluster }),
})) {
  if (event.type !== 'step') continue;
  stepMs.push(event.durationMs);
  losses.push(event.loss);
}
console.log(JSON.stringify({ stepMs, losses, tokensPerStep: batchSize * contextLength }));
process.exit(0);
