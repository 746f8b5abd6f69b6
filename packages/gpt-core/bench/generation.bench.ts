/**
 * GPT-2 small, random weights: reading a prompt of 512 tokens and writing 128, beside transformers on PyTorch and
 * transformers.js on our export. All take turns in one run, so that they meet the same machine; medians are reported.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { findPython, LinePeer, PythonPeer } from '../../../tools/bench/python-peer.js';
import { exportOnnx } from '../src/export/onnx.js';
import type { WeightStorage } from '../src/generation/decode-programs.js';
import { openSession } from '../src/generation/open-session.js';
import { argmax } from '../src/generation/probabilities.js';
import { GPT, presets } from '../src/index.js';
import { type BenchResult, median, report } from './report.js';

const quick = process.argv.includes('--quick');
const [promptLength, turn, turns] = quick ? [128, 8, 2] : [512, 32, 4];

await initCompute();
const model = GPT.create({ ...presets.gpt2, layerPattern: 'dense' }, { seed: 1 });
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const peers: Record<string, LinePeer> = {};
const python = findPython(['torch', 'transformers']);
if (!python) console.log('PyTorch with transformers is absent: set PEERS_PYTHON to compare');
else peers['transformers-pytorch'] = new PythonPeer(python, here('peers/generate_gpt2.py'), []);
if (!existsSync(here('peers/node_modules/@huggingface/transformers'))) {
  console.log(
    'transformers.js is absent: npm install --prefix packages/gpt-core/bench/peers --ignore-scripts',
  );
} else {
  // Our weights, by our export.
  const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await exportOnnx(model, join(folder, 'gpt2'), { cache: true });
  const args = [here('peers/generate-transformers-js.mjs'), join(folder, 'gpt2')];
  peers['transformers.js'] = new LinePeer(process.execPath, args);
}
for (const peer of Object.values(peers)) await peer.ask();

interface Timing {
  prefill: number[];
  decode: number[];
  /** Bytes */
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
  const theirs = Object.entries(peers).map(([name, peer]) => ({
    name,
    peer,
    timing: { prefill: [], decode: [], memory: 0 } as Timing,
  }));
  for (let round = 0; round < turns; round++) {
    await mine.prefill();
    await mine.decode(turn);
    for (const { peer, timing } of theirs) {
      const answer = await peer.ask<{ prefill: number; decode: number; memory: number }>(
        `run ${batch} ${promptLength} ${turn}`,
      );
      timing.prefill.push(answer.prefill);
      timing.decode.push(answer.decode);
      timing.memory = answer.memory;
    }
  }
  mine.close();
  const compressed = await ours(batch, 'int8');
  for (let round = 0; round < turns; round++) {
    await compressed.prefill();
    await compressed.decode(turn);
  }
  compressed.close();
  const rate = (tokens: number, seconds: readonly number[]) => (batch * tokens) / median(seconds);
  const line = (metric: string, unit: string, own: Timing, read: (timing: Timing) => number) => {
    const values = Object.fromEntries(theirs.map(({ name, timing }) => [name, read(timing)]));
    const better = (value: number) => (unit === 'tokens/s' ? read(own) / value : value / read(own));
    results.push({
      case: `GPT-2 small, batch ${batch}, prompt ${promptLength}`,
      metric,
      unit,
      ours: read(own),
      peers: values,
      ratio: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, better(value)])),
    });
  };
  const decoding = ({ decode }: Timing) => rate(turn, decode);
  line('prefill', 'tokens/s', mine.timing, ({ prefill }) => rate(promptLength, prefill));
  line('decode', 'tokens/s', mine.timing, decoding);
  line('decode, int8 weights', 'tokens/s', compressed.timing, decoding);
  Object.assign(results.at(-1)!.peers, { 'our float32': decoding(mine.timing) });
  Object.assign(results.at(-1)!.ratio, {
    'our float32': decoding(compressed.timing) / decoding(mine.timing),
  });
  line('time to first token', 's', mine.timing, ({ prefill }) => median(prefill));
  line('memory', 'MiB', mine.timing, ({ memory }) => memory / 2 ** 20);
}
for (const peer of Object.values(peers)) peer.close();
model.dispose();
report('generation', results);
