/**
 * The base model of the preference runs: a byte-level vocabulary and a small GPT, pretrained on novels and a blog.
 * Stopped at any moment, the same command goes on.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/base.ts --out runs/base --steps 1500
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentSource, GPT, initCompute, pretrain, SubwordTokenizer } from '@gpt-lineage/gpt-core';
import { RunDirectory } from '@gpt-lineage/gpt-core/node';
import { recipeArguments } from './arguments.js';
import { comparisons, instructions, pretrainingTexts } from './preference-data.js';

const args = recipeArguments();
const out = args.text('out', 'runs/base');
const steps = args.number('steps', 1500);
const seed = 1;

const texts = pretrainingTexts();
mkdirSync(out, { recursive: true });
const tokenizerFile = join(out, 'vocabulary.json');
if (!existsSync(tokenizerFile)) {
  // The vocabulary sees the dialogues too (not their order), so that chat costs few tokens.
  const dialogues = comparisons().map(({ prompt }) => prompt);
  const answers = instructions().map(({ completion }) => completion);
  const trained = await SubwordTokenizer.train([...texts, ...dialogues, ...answers], { vocabSize: 2048 });
  writeFileSync(tokenizerFile, JSON.stringify(trained.toTokenizerJSON()));
}
const tokenizer = SubwordTokenizer.fromTokenizerJSON(JSON.parse(readFileSync(tokenizerFile, 'utf8')));
const compute = await initCompute();
const source = documentSource(texts, tokenizer, {
  contextLength: 256,
  documentEnd: tokenizer.eosTokenId!,
  separateDocuments: false,
  sampling: 'shuffled',
  validationFraction: 0.02,
  seed,
  name: 'books and blog',
});
using model = GPT.create(
  {
    vocabSize: tokenizer.vocabSize,
    contextLength: 256,
    nLayer: 4,
    nHead: 4,
    nEmbd: 128,
    embeddingDropout: 0,
    attentionDropout: 0,
    residualDropout: 0,
    eosTokenId: tokenizer.eosTokenId,
  } as never,
  { seed, tokenizer },
);
console.log(`${compute.backend}, ${model.parameterCount} parameters, ${texts.length} documents`);
const checkpoints = new RunDirectory(out);
await checkpoints.open();
for await (const event of pretrain(model, source.train, {
  steps,
  batchSize: 16,
  learningRate: 2e-3,
  warmup: 60,
  weightDecay: 0.1,
  seed,
  ...(source.validation ? { validation: source.validation } : {}),
  validationBatches: 6,
  validateEvery: 250,
  checkpoints,
  checkpointEvery: 50,
  resume: true,
})) {
  if (event.type === 'step' && event.step % 20 === 0)
    console.log(
      `${event.step}/${steps} loss ${event.loss.toFixed(3)} ${Math.round(event.tokensPerSecond)} tok/s`,
    );
  if (event.type === 'validation')
    console.log(`validation loss ${event.loss.toFixed(4)}, ${event.bitsPerByte?.toFixed(3)} bits/byte`);
}
