// Trains for some minutes, with everything that a run does on the way, and tells its parent what memory it holds.
import { initCompute } from '@gpt-lineage/compute';
import {
  arrayStore,
  ByteTokenizer,
  GPT,
  pretrain,
  windowSource,
  windowValidation,
} from '@gpt-lineage/gpt-core';
import { RunDirectory } from '@gpt-lineage/gpt-core/node';
import * as tf from '@tensorflow/tfjs-core';

const [out, minutes] = process.argv.slice(2);
await initCompute();
const tokenizer = new ByteTokenizer();
const shape = { vocabSize: tokenizer.vocabSize, contextLength: 32, nLayer: 2, nHead: 2, nEmbd: 64 };
const model = GPT.create(shape, { seed: 1, tokenizer });
const text = Array.from({ length: 3000 }, (_, i) => `line ${i} says ${i * i}\n`).join('');
const store = arrayStore(tokenizer.encode(text));
const checkpoints = new RunDirectory(out);
await checkpoints.open();
const stop = new AbortController();
const options = {
  steps: 1e9,
  decay: 1e9,
  learningRate: 1e-3,
  batchSize: 8,
  seed: 1,
  checkpoints,
  checkpointEvery: 100,
  validation: windowValidation(store, { contextLength: 32 }),
  validateEvery: 100,
  validationBatches: 2,
  sampleEvery: 100,
  sample: async () => (await model.generate('line', { maxTokens: 20, seed: 1 })).text,
  signal: stop.signal,
};
let end = Number.POSITIVE_INFINITY;
for await (const event of pretrain(model, windowSource(store, { contextLength: 32, seed: 1 }), options)) {
  if (event.type === 'start') end = Date.now() + Number(minutes) * 60_000;
  if (event.type !== 'step') continue;
  if (event.step % 20 === 10) {
    const megabytes = Math.round(process.memoryUsage.rss() / 2 ** 20);
    process.send({ step: event.step, megabytes, tensors: tf.memory().numTensors });
  }
  if (Date.now() > end) stop.abort();
}
checkpoints.close();
model.dispose();
process.exit(tf.memory().numTensors === 0 ? 0 : 3);
