/**
 * Tokens per second that clients get from the server, at 1, 8 and 64 streaming clients; and what the same requests take
 * one after the other, which is what a server without continuous batching does.
 *
 *     pnpm bench demo [--quick]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ByteTokenizer, GPT, initCompute } from '@gpt-lineage/gpt-core';
import { type ServerProcess, spawnServer, streamCompletion } from './spawn-server.js';

const quick = process.argv.includes('--quick');
const seconds = quick ? 4 : 12;

const folder = await mkdtemp(join(tmpdir(), 'gpt-demo-bench-'));
await initCompute();
const tokenizer = new ByteTokenizer();
const shape = { vocabSize: tokenizer.vocabSize, contextLength: 256, nLayer: 8, nHead: 8, nEmbd: 512 };
{
  using model = GPT.create(shape, { seed: 1, tokenizer });
  await model.save(join(folder, 'gpt-25m'));
}

/** `clients` streams at a time for some seconds. */
async function measure(server: ServerProcess, model: string, clients: number, maxTokens: number) {
  const until = performance.now() + seconds * 1000;
  let tokens = 0;
  let seed = 0;
  const first: number[] = [];
  const started = performance.now();
  const client = async () => {
    while (performance.now() < until) {
      seed += 1;
      const body = {
        model,
        prompt: `ROMEO ${'abcdefghij'[seed % 10]}`,
        max_tokens: maxTokens,
        seed,
        ignore_eos: true,
      };
      const { status, complete, tokens: got, firstTokenMs } = await streamCompletion(server.url, body);
      if (status !== 200 || !complete) throw new Error(`status ${status}, complete ${complete}`);
      tokens += got;
      first.push(firstTokenMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  first.sort((a, b) => a - b);
  const rate = tokens / ((performance.now() - started) / 1000);
  return { rate, firstTokenMs: first[Math.floor(first.length / 2)]! };
}

const results = [];
const shakespeare = fileURLToPath(new URL('../checkpoints/shakespeare-char', import.meta.url));
const cases = [
  { model: 'shakespeare-char', path: shakespeare, maxTokens: 50 },
  { model: 'gpt-25m', path: join(folder, 'gpt-25m'), maxTokens: 64 },
];
for (const { model, path, maxTokens } of cases) {
  const server = await spawnServer({ models: [{ path, name: model }], slots: 8, maxWaiting: 1000 });
  // Every size of batch is compiled when it first occurs.
  await Promise.all(
    Array.from({ length: 8 }, () => streamCompletion(server.url, { model, prompt: 'a', max_tokens: 20 })),
  );
  await measure(server, model, 3, 8);
  await streamCompletion(server.url, { model, prompt: 'b', max_tokens: 20 });
  const single = await measure(server, model, 1, maxTokens);
  for (const clients of [1, 8, 64]) {
    const { rate, firstTokenMs } = clients === 1 ? single : await measure(server, model, clients, maxTokens);
    console.log(
      `${model.padEnd(18)} ${String(clients).padStart(3)} clients  ${rate.toFixed(0).padStart(6)} tokens/s  ` +
        `${(rate / single.rate).toFixed(2)} × one stream  first token after ${firstTokenMs.toFixed(0)} ms`,
    );
    results.push({
      case: `${model}, ${clients} clients`,
      metric: 'throughput',
      unit: 'tokens/s',
      ours: rate,
      peers: { 'one stream at a time': single.rate },
      ratio: { 'one stream at a time': rate / single.rate },
    });
  }
  await server.stop();
}
await rm(folder, { recursive: true, force: true });
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
console.log(JSON.stringify({ bench: 'demo/server', machine, results }));
