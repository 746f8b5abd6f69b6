import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../../src/server/app.js';
import type { Json } from './support.js';

const folder = fileURLToPath(new URL('../../checkpoints', import.meta.url));
const names = readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory());

let server: RunningServer;
beforeAll(async () => {
  server = await startServer({
    models: names.map((name) => ({ path: join(folder, name) })),
    port: 0,
    logLevel: 'silent',
  });
});
afterAll(() => server.close(1000));

function bytesOf(path: string): number {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

it('keeps the checkpoints of the repository within 20 MB', () => {
  expect(bytesOf(folder)).toBeLessThanOrEqual(20e6);
});

it('lists every one of them with a title and its size', async () => {
  const models = (await (await fetch(`${server.url}/api/models`)).json()) as Json[];
  expect(models.map(({ id }) => id).sort()).toEqual([...names].sort());
  for (const { title, parameters } of models) {
    expect(title.length).toBeGreaterThan(0);
    expect(parameters).toBeGreaterThan(10_000);
  }
});

it('has Shakespeare go on', async () => {
  expect(existsSync(join(folder, 'shakespeare-char/model.safetensors'))).toBe(true);
  const response = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'shakespeare-char', prompt: 'ROMEO:\n', max_tokens: 40, temperature: 0 }),
  });
  const { choices } = (await response.json()) as Json;
  // Words of letters, with spaces between: it has learned that much.
  expect(choices[0].text).toMatch(/\b[a-z]{2,} [a-z]+/i);
});

it.each(['base', 'sft', 'rlhf'])('has %s answer in a chat', async (model) => {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'What is a good name for a cat?' }],
      max_tokens: 40,
      temperature: 0.7,
      seed: 1,
    }),
  });
  expect(response.status).toBe(200);
  const { choices } = (await response.json()) as Json;
  expect(choices[0].message.content).toMatch(/\b[A-Za-z][a-z]+ [a-z]+/);
  expect(choices[0].message.content).not.toContain('Human:'); // it does not ask for its partner
});
