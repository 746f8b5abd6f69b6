#!/usr/bin/env node
// `node soak.mjs [--minutes 60] [--json FILE]`: the server under mixed traffic, and a training with validations,
// checkpoints and samples, side by side. Memory must be flat, no tensor may stay behind, nothing may fail.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { Command } from 'commander';
import { random } from './mutate.mjs';
import { startTinyServer } from './tiny-server.mjs';

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const { minutes, json } = new Command()
  .option('--minutes <n>', 'how long', Number, 60)
  .option('--json <file>', 'where the samples go')
  .parse()
  .opts();
const SAMPLE_MS = Math.min(30_000, (minutes * 60_000) / 40);
/** Clients at once, and what each waits between two requests. */
const [CLIENTS, PAUSE_MS] = [4, 50];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const chat = (more) => ({
  model: 'tiny',
  messages: [{ role: 'user', content: 'hello' }],
  max_tokens: 16,
  ...more,
});
const requests = [
  ['/v1/completions', { model: 'tiny', prompt: 'Once upon a time', max_tokens: 16, logprobs: 2, n: 2 }],
  ['/v1/chat/completions', chat({ temperature: 0 })],
  ['/v1/chat/completions', chat({ stream: true })],
  ['/v1/chat/completions', chat({ stream: true }), 'drop'],
  ['/v1/embeddings', { model: 'tiny', input: ['a', 'b c'] }],
  ['/tokenize', { model: 'tiny', prompt: 'a text' }],
  ['/v1/completions', { model: 'tiny', prompt: 5, max_tokens: -1 }, 'refused'],
  ['/v1/completions', { model: 'none', prompt: 'a' }, 'refused'],
];

async function soakServer(folder) {
  const shape = { contextLength: 128, nLayer: 2, nHead: 2, nEmbd: 32 };
  const { child, ended, url } = await startTinyServer(folder, { shape });
  const end = Date.now() + minutes * 60_000;
  const [memory, failures] = [[], []];
  let count = 0;

  const ask = async ([path, body, kind]) => {
    const abort = new AbortController();
    const response = await fetch(url + path, {
      method: 'POST',
      // A connection for each request: one that idles may be closed by the server just when it is used again.
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    if (kind === 'drop') {
      await response.body.getReader().read();
      abort.abort();
    } else await response.text();
    if (kind === 'refused' ? response.status < 400 || response.status >= 500 : !response.ok)
      throw new Error(`${path} ${JSON.stringify(body)}: status ${response.status}`);
  };
  const client = async (seed) => {
    const draw = random(seed);
    while (Date.now() < end && child.exitCode === null) {
      await ask(requests[draw(requests.length)]).catch((error) => failures.push(error.message));
      count += 1;
      await sleep(PAUSE_MS);
    }
  };
  const watch = async () => {
    while (Date.now() < end && child.exitCode === null) {
      await sleep(SAMPLE_MS);
      const answer = await fetch(`${url}/metrics`, { headers: { connection: 'close' } });
      const metrics = await answer.text();
      const bytes = Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]);
      if (bytes > 0) memory.push(Math.round(bytes / 2 ** 20));
    }
  };
  const watched = watch().catch((error) => failures.push(`metrics: ${error.message}`));
  await Promise.all([watched, ...Array.from({ length: CLIENTS }, (_, seed) => client(seed + 1))]);
  if (child.exitCode !== null) failures.push(`the server ended with ${child.exitCode}`);
  child.kill('SIGTERM');
  await ended;
  return { name: 'server', done: `${count} requests`, memory, failures };
}

async function soakTrainer(folder) {
  const child = fork(file('./soak-train.mjs'), [join(folder, 'run'), String(minutes)], { stdio: 'inherit' });
  const [memory, tensors, failures] = [[], [], []];
  let steps = 0;
  let sampled = 0;
  child.on('message', (message) => {
    steps = message.step;
    if (Date.now() - sampled < SAMPLE_MS) return;
    sampled = Date.now();
    memory.push(message.megabytes);
    tensors.push(message.tensors);
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) failures.push(`the training ended with ${code}`);
  if (new Set(tensors.slice(1)).size > 1) failures.push(`tensors: ${tensors.join(', ')}`);
  return { name: 'trainer', done: `${steps} steps`, memory, tensors: tensors.at(-1), failures };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** After a fifth of the time nothing may grow any more: the last third against the first. */
function growth({ memory }) {
  const settled = memory.slice(Math.floor(memory.length / 5));
  const third = Math.ceil(settled.length / 3);
  return [median(settled.slice(0, third)), median(settled.slice(-third))];
}

await initCompute({ prefer: 'cpu' });
const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-soak-'));
let broken = 0;
try {
  const results = await Promise.all([soakServer(folder), soakTrainer(folder)]);
  for (const result of results) {
    const [first, last] = growth(result);
    result.megabytes = [first, last];
    if (!(last <= first * 1.1 + 20)) result.failures.push(`memory grew from ${first} to ${last} MB`);
    console.log(
      `${result.failures.length === 0 ? '✓' : '✗'} soak ${result.name}: ${minutes} minutes, ${result.done}, ${first} MB at first, ${last} MB at last`,
    );
    for (const failure of [...new Set(result.failures)].slice(0, 5)) console.log(`  ${failure}`);
    broken += result.failures.length;
  }
  const date = new Date().toISOString().slice(0, 10);
  if (json)
    writeFileSync(json, `${JSON.stringify({ date, minutes, node: process.version, results }, null, 1)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(broken === 0 ? 0 : 1);
