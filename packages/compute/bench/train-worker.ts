/**
 * One variant of train-step.bench.ts in a process of its own, so that its peak memory is its own. Commands as in
 * peers/torch_gpt.py. usage: train-worker.ts SHAPE eager|captured float32|bf16 EXECUTOR BACKEND
 */
import { createInterface } from 'node:readline';
import * as tf from '@tensorflow/tfjs-core';
import { AdamW, type BackendName, capture, initCompute, vectorsOnly } from '../src/index.js';
import { createWeights, gptLoss, shapes, tinyShape } from './gpt.js';

const [name = '', mode = 'captured', precision = 'float32', executor = 'auto', backend = ''] =
  process.argv.slice(2);
const info = await initCompute(backend === '' ? {} : { prefer: backend as BackendName, strict: true });
const shape = name === 'tiny' ? tinyShape : shapes[name]!;
const weights = createWeights(shape);
const optimizer = new AdamW(Object.fromEntries(weights.all.map((v) => [v.name, v])), {
  beta2: 0.95,
  weightDecay: 0.1,
  noDecay: vectorsOnly,
});
const update = (tokens: tf.Tensor, targets: tf.Tensor, learningRate: tf.Scalar) => {
  const { value, grads } = tf.variableGrads(() => gptLoss(weights, shape, tokens, targets), [...weights.all]);
  optimizer.applyGradients(grads, { learningRate });
  return value;
};
const captured = capture(update, {
  executor: mode === 'eager' ? 'eager' : (executor as 'auto'),
  matmulPrecision: precision as 'float32',
});
const size = shape.batch * shape.length;
const ids = Int32Array.from({ length: size + 1 }, (_, i) => (i * 7919) % shape.vocabSize);
const dims = [shape.batch, shape.length];
const tokens = tf.tensor(ids.slice(0, -1), dims, 'int32');
const targets = tf.tensor(ids.slice(1), dims, 'int32');

async function step(): Promise<number> {
  const loss = await captured(tokens, targets, 1e-4);
  const [value] = await loss.data();
  loss.dispose();
  return value!;
}

await step();
console.log(JSON.stringify({ ready: `${info.backend} ${info.version}`, executor: captured.executor }));
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(' ');
  if (command === 'step') {
    const seconds: number[] = [];
    const cpu: number[] = [];
    const losses: number[] = [];
    for (let i = 0; i < Number(count); i++) {
      const [start, used] = [performance.now(), process.cpuUsage()];
      losses.push(await step());
      const { user, system } = process.cpuUsage(used);
      seconds.push((performance.now() - start) / 1e3);
      cpu.push((user + system) / 1e6);
    }
    console.log(JSON.stringify({ seconds, cpu, losses }));
  } else if (command === 'rss') {
    (globalThis as { gc?: () => void }).gc?.();
    console.log(process.memoryUsage().rss);
  } else if (command === 'memory') {
    console.log(process.resourceUsage().maxRSS * 1024);
  } else {
    process.exit(0);
  }
}
