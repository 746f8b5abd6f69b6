/**
 * A few training steps in a process of their own, and what they took, as one line of JSON:
 * `step-memory.ts '{ "model": {…}, "batchSize": 2, "steps": 3, "gradientCheckpointing": true }'`.
 */
import { initCompute } from '@gpt-lineage/compute';
import { hash32 } from '../src/data/random.js';
import { GPT, type GPTConfigInput, parseConfig, pretrain, type TokenSource } from '../src/index.js';

const { model, batchSize, steps, gradientCheckpointing } = JSON.parse(process.argv[2]!) as {
  model: GPTConfigInput;
  batchSize: number;
  steps: number;
  gradientCheckpointing: boolean;
};
await initCompute();
const config = parseConfig(model);
const { contextLength, vocabSize } = config;
let drawn = 0;
const source: TokenSource = {
  name: 'noise',
  contextLength,
  next(rows) {
    const ids = (shift: number) =>
      Int32Array.from({ length: rows * contextLength }, (_, i) => hash32(drawn, i + shift) % vocabSize);
    const batch = { batchSize: rows, length: contextLength, tokenIds: ids(0), labels: ids(1) };
    drawn++;
    return batch;
  },
  position: null,
  seek: () => undefined,
  epochs: () => [],
};
using gpt = GPT.create(config, { seed: 1 });
const startBytes = process.memoryUsage().rss;
const losses: number[] = [];
const stepMs: number[] = [];
const cpuMs: number[] = [];
let before = process.cpuUsage();
for await (const event of pretrain(gpt, source, { steps, batchSize, gradientCheckpointing })) {
  if (event.type !== 'step') continue;
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  losses.push(event.loss);
  stepMs.push(event.durationMs);
  cpuMs.push((user + system) / 1000);
}
const peakBytes = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ parameters: gpt.parameterCount, startBytes, peakBytes, losses, stepMs, cpuMs }));
process.exit(0);
