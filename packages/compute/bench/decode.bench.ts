/**
 * One token at a time through GPT-2 small (random weights), batch 1: what share of the machine's memory bandwidth the weights
 * are read at, and what 8- and 4-bit weights give. Beside transformers on PyTorch.
 */
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import type * as tf from '@tensorflow/tfjs-core';
import { capture, initCompute } from '../src/index.js';
import { createCache, decodeStep } from './decode-model.js';
import { createWeights, shapes } from './gpt.js';
import { median, printResults, python, type Result, result, Server } from './process.js';

const quick = process.argv.includes('--quick');
const context = 128;
const rounds = quick ? 3 : 8;
const tokensPerRound = quick ? 4 : 12;

/** Searching zeros for a one reads memory as fast as the processor can: vectorised, one pass, nothing written. */
const reader = `
const { parentPort } = require('node:worker_threads');
const memory = Buffer.alloc(1 << 28).fill(2); // written once, so that every page is real
parentPort.on('message', () => { memory.indexOf(1); parentPort.postMessage(0); });
`;

class Bandwidth {
  private readonly workers = Array.from(
    { length: os.availableParallelism() },
    () => new Worker(reader, { eval: true }),
  );

  /** GB/s of all threads together. */
  async measure(): Promise<number> {
    const start = performance.now();
    await Promise.all(
      this.workers.map(
        (worker) =>
          new Promise((resolve) => {
            worker.once('message', resolve);
            worker.postMessage(0);
          }),
      ),
    );
    return (this.workers.length * 2 ** 28) / 1e6 / (performance.now() - start);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

await initCompute();
const shape = shapes['gpt2-small 2x256']!;
const weights = createWeights(shape);
// Every weight is read once a token, except the position table.
const bytes = 4 * (weights.all.reduce((sum, v) => sum + v.size, 0) - shape.contextLength * shape.nEmbd);
const scalar = { shape: [], dtype: 'int32' } as const;

const slotsTo = (position: number) => Int32Array.from({ length: position + 1 }, (_, slot) => slot);

const storages = ['float32', 'float16', 'int8', 'int4'] as const;
const steps = [];
for (const storage of quick ? (['float32', 'int8'] as const) : storages) {
  const cache = createCache(shape, context);
  const step = capture(
    (token: tf.Tensor, position: tf.Tensor, slots: tf.Tensor1D) =>
      decodeStep(weights, cache, shape, token, position, slots),
    { executor: 'onnx', weights: storage, inputs: [scalar, scalar, { shape: ['total'], dtype: 'int32' }] },
  );
  (await step(1, 0, slotsTo(0))).dispose();
  steps.push({ storage, step, milliseconds: [] as number[], position: 1 });
}

const bandwidth = new Bandwidth();
await bandwidth.measure();
const gigabytes: number[] = [];
const peer = python('transformers');
let transformers: Server | undefined;
if ('absent' in peer) console.log(`transformers: absent (${peer.absent})`);
else {
  const script = new URL('peers/transformers_decode.py', import.meta.url).pathname;
  transformers = new Server(peer.command, [script]);
  await transformers.read();
}
const peerSeconds: number[] = [];
for (let round = 0; round < rounds; round++) {
  for (const one of steps) {
    for (let i = 0; i < tokensPerRound; i++) {
      // Between the tokens it is set against: what a shared machine grants changes from one second to the next.
      if (one.storage === 'float32' && i % 2 === 0) gigabytes.push(await bandwidth.measure());
      const start = performance.now();
      const logits = await one.step(i, one.position, slotsTo(one.position));
      one.milliseconds.push(performance.now() - start);
      one.position = (one.position + 1) % context;
      logits.dispose();
    }
  }
  if (transformers !== undefined) {
    peerSeconds.push(...(JSON.parse(await transformers.ask(`step ${tokensPerRound}`)) as number[]));
  }
}
await bandwidth.close();
transformers?.end();

const results: Result[] = [];
const limit = median(gigabytes);
const full = median(steps[0]!.milliseconds);
const others: Record<string, number> =
  peerSeconds.length === 0 ? {} : { 'transformers (PyTorch)': 1 / median(peerSeconds) };
for (const { storage, milliseconds } of steps) {
  const speed = 1e3 / median(milliseconds);
  const own: Record<string, number> = storage === 'float32' ? {} : { 'float32 weights': 1e3 / full };
  results.push(result(`gpt2-small decode ${storage}`, 'decoding', 'tokens/s', speed, { ...own, ...others }));
}
results.push(
  result('gpt2-small decode float32', 'weights read', 'GB/s', bytes / 1e6 / full, {
    'memory bandwidth': limit,
  }),
);
printResults(results);
const machine = {
  cpu: os.cpus()[0]?.model,
  cores: os.cpus().length,
  memoryGB: os.totalmem() / 1e9,
  node: process.version,
};
console.log(JSON.stringify({ bench: 'compute/decode', machine, date: new Date().toISOString(), results }));
process.exit(0);
