/**
 * GPT-2 small, random weights: reading a prompt of 512 tokens and writing 128, beside transformers on PyTorch. Both
 * take turns in one run, so that they meet the same machine; medians are reported.
 */
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { findPython, PythonPeer } from '../../../tools/bench/python-peer.js';
import type { WeightStorage } from '../src/generation/decode-programs.js';
import { openSession } from '../src/generation/open-session.js';
import { argmax } from '../src/generation/probabilities.js';
import { GPT, presets } from '../src/index.js';
import { type BenchResult, median, report } from './report.js';

const quick = process.argv.includes('--quick');
const [promptLength, turn, turns] = quick ? [128, 8, 2] : [512, 32, 4];
const python = findPython(['torch', 'transformers']);
if (!python) console.log('PyTorch with transformers is absent: set PEERS_PYTHON to compare');

await initCompute();
const model = GPT.create({ ...presets.gpt2, layerPattern: 'dense' }, { seed: 1 });
const peer = python
  ? new PythonPeer(python, fileURLToPath(new URL('peers/generate_gpt2.py', import.meta.url)), [])
  : undefined;
await peer?.ask();

interface Timing {
  prefill: number[];
  decode: number[];
  memory: number;
}

/** One of ours: a session that has been warmed up, and its timings. */
async function ours(batch: number, weights: WeightStorage) {
  const capacity = promptLength + 128;
  const open = () => openSession(model, { capacity, rows: batch, weights });
  const prompts = Array.from({ length: batch }, (_, row) =>
    Array.from({ length: promptLength }, (_, i) => ((row * promptLength + i) * 7919) % 50257),
  );
  let session = open();
  let logits = await session.read(prompts);
  logits = await session.read(logits.map(([row]) => [argmax(row!)]));
  const timing: Timing = { prefill: [], decode: [], memory: 0 };
  return {
    timing,
    async prefill() {
      session.dispose();
      session = open();
      const start = performance.now();
      logits = await session.read(prompts);
      timing.prefill.push((performance.now() - start) / 1000);
    },
    async decode(tokens: number) {
      const start = performance.now();
      for (let i = 0; i < tokens; i++) logits = await session.read(logits.map(([row]) => [argmax(row!)]));
      timing.decode.push((performance.now() - start) / 1000);
      timing.memory = Math.max(timing.memory, process.memoryUsage().rss);
    },
    close: () => session.dispose(),
  };
}

const results: BenchResult[] = [];
const batchAt = process.argv.indexOf('--batch');
const batches = batchAt >= 0 ? [Number(process.argv[batchAt + 1])] : quick ? [1] : [1, 8];
for (const batch of batches) {
  const mine = await ours(batch, 'float32');
  const theirs: Timing = { prefill: [], decode: [], memory: 0 };
  for (let round = 0; round < turns; round++) {
    await mine.prefill();
    if (peer)
      theirs.prefill.push((await peer.ask<{ seconds: number }>(`prefill ${batch} ${promptLength}`)).seconds);
    await mine.decode(turn);
    if (peer) {
      const { seconds, memory } = await peer.ask<{ seconds: number; memory: number }>(`decode ${turn}`);
      theirs.decode.push(seconds);
      theirs.memory = memory;
    }
  }
  mine.close();
  const compressed = await ours(batch, 'int8');
  for (let round = 0; round < turns; round++) {
    await compressed.prefill();
    await compressed.decode(turn);
  }
  compressed.close();
  const name = `GPT-2 small, batch ${batch}, prompt ${promptLength}`;
  const rate = (tokens: number, seconds: readonly number[]) => (batch * tokens) / median(seconds);
  const line = (metric: string, own: number, other: number, unit = 'tokens/s') =>
    results.push({
      case: name,
      metric,
      unit,
      ours: own,
      peers: peer ? { 'transformers-pytorch': other } : {},
      ratio: peer ? { 'transformers-pytorch': unit === 'tokens/s' ? own / other : other / own } : {},
    });
  line('prefill', rate(promptLength, mine.timing.prefill), rate(promptLength, theirs.prefill));
  line('decode', rate(turn, mine.timing.decode), rate(turn, theirs.decode));
  line('decode, int8 weights', rate(turn, compressed.timing.decode), rate(turn, theirs.decode));
  line('time to first token', median(mine.timing.prefill), median(theirs.prefill), 's');
  line('memory', mine.timing.memory / 2 ** 20, theirs.memory / 2 ** 20, 'MiB');
  results.push({
    case: name,
    metric: 'decode, int8 over our float32',
    unit: '×',
    ours: median(mine.timing.decode) / median(compressed.timing.decode),
    peers: {},
    ratio: {},
  });
}
peer?.close();
model.dispose();
report('generation', results);
