import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { events, type Json, TestServer } from './support.js';

let server: TestServer;
beforeAll(async () => {
  const runsRoot = join(tmpdir(), `gpt-demo-runs-${process.pid}`);
  server = await TestServer.start({ runsRoot });
});
afterAll(() => server.stop());

const get = async (path: string) => (await fetch(server.url + path)).json() as Promise<Json>;
const text = 'The quick brown fox jumps over the lazy dog, again and again. '.repeat(30);
const small = { nLayer: 1, nHead: 2, nEmbd: 16, contextLength: 16 };

it('trains in a process of its own, tells all, and serves the result', async () => {
  const { id } = await server.json('/api/training', {
    kind: 'pretrain',
    data: text,
    config: { ...small, tokenizer: 'character' },
    options: { steps: 12, batchSize: 4, seed: 3 },
  });
  // Answers go on meanwhile.
  await server.json('/v1/completions', { prompt: 'a', max_tokens: 2 });
  const told = events(await (await fetch(`${server.url}/api/training/${id}/events`)).text());
  expect(told[0]).toMatchObject({ type: 'start', steps: 12 });
  expect(told.filter(({ type }) => type === 'step').map(({ step }) => step)).toEqual(
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  expect(told.some(({ type }) => type === 'sample')).toBe(true);
  expect(told.some(({ type }) => type === 'validation')).toBe(true);
  expect(told.at(-1)).toMatchObject({ type: 'end', reason: 'completed' });
  // From where a client left off
  const rest = await fetch(`${server.url}/api/training/${id}/events`, {
    headers: { 'last-event-id': String(told.length - 2) },
  });
  expect(await rest.text()).toContain('"type":"end"');
  expect((await get('/api/training')).find((job: Json) => job.id === id)).toMatchObject({
    status: 'done',
    kind: 'pretrain',
  });
  const answer = await server.json('/v1/completions', { model: id, prompt: 'The ', max_tokens: 5 });
  expect(answer.model).toBe(id);
});

it('holds, goes on and stops', async () => {
  const { id } = await server.json('/api/training', {
    kind: 'lora',
    model: 'tiny',
    data: text,
    config: { contextLength: 16 },
    options: { steps: 100_000, batchSize: 2, rank: 2 },
  });
  const path = `/api/training/${id}`;
  const steps = async () => (await get(path)).last?.step ?? 0;
  await expect.poll(steps, { timeout: 120_000, interval: 50 }).toBeGreaterThan(2);
  await server.json(`${path}/pause`, {});
  expect((await get(path)).status).toBe('paused');
  // One step may be under way; after it, nothing.
  let held = -1;
  await expect
    .poll(
      async () => {
        const now = await steps();
        const still = now === held;
        held = now;
        return still;
      },
      { timeout: 30_000, interval: 400 },
    )
    .toBe(true);
  await server.json(`${path}/resume`, {});
  await expect.poll(steps, { timeout: 60_000, interval: 50 }).toBeGreaterThan(held);
  await server.json(`${path}/stop`, {});
  await expect.poll(async () => (await get(path)).status, { timeout: 60_000, interval: 50 }).toBe('stopped');
  await server.json(`${path}/pause`, {}, 409);
});

it('says why a job failed', async () => {
  const config = { ...small, nHead: 3 };
  const { id } = await server.json('/api/training', { kind: 'pretrain', data: text, config });
  const told = events(await (await fetch(`${server.url}/api/training/${id}/events`)).text());
  expect(told.at(-1).type).toBe('error');
  expect(told.at(-1).message).toContain('nHead');
  await server.json('/api/training', { kind: 'lora', data: text }, 400);
  await server.json('/api/training', { kind: 'lora', data: text, model: 'none' }, 404);
});

it('evaluates', async () => {
  const { id } = await server.json('/api/evaluation', {
    model: 'tiny',
    tasks: ['arithmetic_2da'],
    shots: 0,
    limit: 3,
  });
  const told = events(await (await fetch(`${server.url}/api/evaluation/${id}/events`)).text());
  expect(told.some(({ type }) => type === 'progress')).toBe(true);
  const { report } = told.find(({ type }) => type === 'report');
  expect(report.tasks[0].task).toBe('arithmetic_2da');
  expect(told.at(-1)).toMatchObject({ type: 'end' });
});

it('aligns: a reward model, and a policy', async () => {
  const reward = await server.json('/api/alignment', {
    kind: 'reward',
    model: 'tiny',
    rankings: [
      { prompt: 'Q', completions: ['good', 'bad'] },
      { prompt: 'R', completions: ['fine', 'poor', 'worse'] },
    ],
    epochs: 3,
    learningRate: 1e-3,
  });
  const told = events(await (await fetch(`${server.url}/api/alignment/${reward.id}/events`)).text());
  expect(told.filter(({ type }) => type === 'rewards').length).toBeGreaterThanOrEqual(2);
  expect(told.at(-1)).toMatchObject({ type: 'end', reason: 'completed' });
  const policy = await server.json('/api/alignment', {
    kind: 'ppo',
    model: 'tiny',
    prompts: ['Hello', 'You'],
    rules: [{ kind: 'length', min: 2, max: 5 }],
    ...{ iterations: 2, episodes: 4, maxTokens: 6 },
  });
  const learned = events(await (await fetch(`${server.url}/api/alignment/${policy.id}/events`)).text());
  expect(learned.at(-1)).toMatchObject({ type: 'end', reason: 'completed' });
  expect((await get('/api/models')).map(({ id }: Json) => id)).toContain(policy.id);
});

it('shows attention, and lists models with what the app needs', async () => {
  const { tokens, attentions, top } = await server.json('/api/attention', { model: 'tiny', text: 'Look' });
  expect(tokens).toHaveLength(4);
  expect([attentions.length, attentions[0].length]).toEqual([2, 2]);
  for (const row of attentions[1][0]) {
    expect(row.reduce((sum: number, weight: number) => sum + weight, 0)).toBeCloseTo(1, 2);
  }
  expect(attentions[0][0][0].slice(1)).toEqual([0, 0, 0]);
  expect(top[0].probability).toBeGreaterThanOrEqual(top[1].probability);
  const [tiny] = await get('/api/models');
  expect(tiny).toMatchObject({ id: 'tiny', kind: 'gpt', title: 'Tiny', config: { nLayer: 2 } });
  expect(tiny.parameters).toBeGreaterThan(1000);
  expect(tiny.path).toBeUndefined();
});

it('hands out checkpoint files, whole and in ranges', async () => {
  const url = `${server.url}/checkpoints/tiny/model.safetensors`;
  const file = await readFile(join(server.folder, 'tiny/model.safetensors'));
  expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(file)).toBe(true);
  const part = await fetch(url, { headers: { range: 'bytes=8-15' } });
  expect(part.status).toBe(206);
  expect(Buffer.from(await part.arrayBuffer()).equals(file.subarray(8, 16))).toBe(true);
});
