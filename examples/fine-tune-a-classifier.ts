// GPT-1's recipe: a sentiment head on a GPT, with the language-modelling loss kept as a second objective.
import { readFile } from 'node:fs/promises';
import { initCompute } from '@gpt-lineage/compute';
import { evaluateTask, finetune, GPT, predictTask, TaskModel, WordTokenizer } from '@gpt-lineage/gpt-core';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';

await initCompute();
const lines = await readFile(new URL('./data/reviews.jsonl', import.meta.url), 'utf8');
const reviews = lines
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { text: string; label: string });
const [examples, heldOut] = [reviews.slice(0, 800), reviews.slice(800)];

const texts = examples.map(({ text }) => text);
const tokenizer = new WordTokenizer(await BPETokenizer.train(texts, { vocabSize: 2000 }));
using gpt = GPT.create(
  {
    vocabSize: tokenizer.vocabSize,
    contextLength: 48,
    nLayer: 2,
    nHead: 4,
    nEmbd: 64,
    normPlacement: 'post',
  },
  { seed: 1, tokenizer },
);
// A pretrained folder goes in the same way: `using gpt = await GPT.load('runs/base')`.
using model = TaskModel.create(gpt, { task: 'sentiment', labels: ['negative', 'positive'] });

const options = { epochs: 3, learningRate: 1e-3, lmWeight: 0.5, batchSize: 32 };
for await (const event of finetune(model, examples, options)) {
  if (event.type === 'step' && event.step % 25 === 0)
    console.log(`step ${event.step}: loss ${event.loss.toFixed(3)}`);
}

const { metrics } = await evaluateTask(model, heldOut);
console.log(`held-out accuracy ${(100 * metrics.accuracy!).toFixed(1)} % on ${heldOut.length} reviews`);
const [prediction] = await predictTask(model, [{ text: 'a warm , funny and engaging film .' }]);
console.log(prediction);
