import { request as httpRequest } from 'node:http';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { events, TestServer } from './support.js';

const endless = { prompt: 'go', max_tokens: 250, seed: 1, ignore_eos: true };

describe('queue, body and time', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({
      slots: 2,
      maxWaiting: 2,
      maxBodyBytes: 20_000,
      timeLimit: 1,
      maxTokens: 100_000,
    });
  });
  afterAll(() => server.stop());

  it('answers 429 with Retry-After when the queue is full, and everybody else', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => server.post('/v1/completions', endless)),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(4);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length + answers.filter(({ status }) => status === 200).length).toBe(20);
    for (const response of refused) {
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect((await response.json()).error).toMatchObject({ type: 'rate_limit_error', code: 'queue_full' });
    }
    // All of a request or none of it
    const many = await server.post('/v1/completions', { ...endless, n: 10 });
    expect(many.status).toBe(429);
    await server.idle();
  });

  it('refuses large bodies, and ends what takes too long with what there is', async () => {
    const large = await server.post('/v1/completions', { prompt: 'a'.repeat(30_000) });
    expect(large.status).toBe(413);
    expect((await large.json()).error.type).toBe('invalid_request_error');
  });
});

it('ends an answer at the time limit with what there is', async () => {
  const server = await TestServer.start({ timeLimit: 0.05 });
  const body = { messages: [{ role: 'user', content: 'go' }], n: 8, stream: true };
  const streamed = events(await (await server.post('/v1/chat/completions', body)).text());
  expect(streamed.at(-1)).toBe('[DONE]');
  const ends = streamed.slice(0, -1).filter(({ choices }) => choices[0].finish_reason !== null);
  expect(ends.map(({ choices }) => choices[0].index).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  await server.stop();
});

describe('who may call', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start({ apiKeys: ['one', 'two'], corsOrigins: ['https://app.example'] });
  });
  afterAll(() => server.stop());

  it('asks for an API key', async () => {
    const get = (path: string, key?: string) =>
      fetch(server.url + path, key ? { headers: { authorization: `Bearer ${key}` } } : {});
    expect((await get('/v1/models')).status).toBe(401);
    expect((await get('/v1/models', 'three')).status).toBe(401);
    expect((await get('/v1/models', 'two')).status).toBe(200);
    expect((await get('/%76%31/models')).status).toBe(401);
    expect((await get('/metrics')).status).toBe(401);
    expect((await get('/api/models')).status).toBe(401);
    expect((await get('/checkpoints/tiny/config.json')).status).toBe(401);
    expect((await get('/health')).status).toBe(200);
  });

  it('lets pages of this machine and named ones in', async () => {
    const origin = async (value: string) => {
      const response = await fetch(`${server.url}/v1/models`, {
        method: 'OPTIONS',
        headers: { origin: value, 'access-control-request-method': 'GET' },
      });
      return response.headers.get('access-control-allow-origin');
    };
    expect(await origin('http://localhost:5173')).toBe('http://localhost:5173');
    expect(await origin('https://app.example')).toBe('https://app.example');
    expect(await origin('https://elsewhere.example')).toBeNull();
    const streamed = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer one',
        origin: 'https://app.example',
      },
      body: JSON.stringify({ prompt: 'a', max_tokens: 1, stream: true }),
    });
    expect(streamed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    await streamed.text();
  });

  it('listens on this machine only, under its own names only', async () => {
    expect(new URL(server.url).hostname).toBe('127.0.0.1');
    const { port } = new URL(server.url);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(
        { host: '127.0.0.1', port, path: '/health', headers: { host: `attacker.example:${port}` } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      request.on('error', reject);
      request.end();
    });
    expect(status).toBe(403);
  });

  it('reads JSON only', async () => {
    const response = await server.post('/v1/completions', '{"prompt":"a"}', {
      'content-type': 'text/plain',
      authorization: 'Bearer one',
    });
    expect(response.status).toBe(415);
  });
});

describe('many clients', () => {
  it('serves 64 streams at once, each with its own text', async () => {
    const server = await TestServer.start({ slots: 8 });
    const ask = async (seed: number) => {
      const body = { prompt: `Client ${seed % 16}`, max_tokens: 20, seed: seed % 16, stream: true };
      const response = await server.post('/v1/completions', body);
      expect(response.status).toBe(200);
      const streamed = events(await response.text());
      expect(streamed.at(-1)).toBe('[DONE]');
      expect(streamed.at(-2).choices[0].finish_reason).not.toBeNull();
      return streamed
        .slice(0, -1)
        .map(({ choices }) => choices[0].text)
        .join('');
    };
    const first = await Promise.all(Array.from({ length: 64 }, (_, seed) => ask(seed)));
    // Those that asked for the same got the same, in whatever company.
    for (let seed = 16; seed < 64; seed++) expect(first[seed]).toBe(first[seed % 16]);
    await server.idle();
    const before = tf.memory().numTensors;
    expect(await ask(3)).toBe(first[3]);
    await server.idle();
    expect(tf.memory().numTensors).toBe(before);
    const { stats } = (await server.server.registry.get('tiny')).engine;
    expect(stats.stepSequences / stats.steps).toBeGreaterThan(3);
    await server.stop();
  });

  it('leaves nothing running behind 1,000 dropped connections', async () => {
    const server = await TestServer.start({ slots: 8, maxWaiting: 2000 });
    await server.json('/v1/completions', { prompt: 'warm', max_tokens: 2 });
    const before = tf.memory().numTensors;
    let cut = 0;
    const drop = () =>
      new Promise<void>((resolve) => {
        const body = JSON.stringify({ ...endless, stream: true });
        const request = httpRequest(
          `${server.url}/v1/completions`,
          { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': body.length } },
          (response) => {
            response.once('data', () => {
              cut += 1;
              request.destroy();
            });
            response.on('error', () => {});
          },
        );
        request.on('error', () => {});
        request.on('close', () => resolve());
        request.end(body);
      });
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 50 }, drop));
    expect(cut).toBe(1000);
    await server.idle();
    expect(tf.memory().numTensors).toBe(before);
    // And it goes on as ever.
    expect(
      (await server.json('/v1/completions', { prompt: 'a', max_tokens: 3 })).usage.completion_tokens,
    ).toBe(3);
    await server.stop();
  });
});

it('shuts down when what runs has ended, and takes nothing more', async () => {
  const server = await TestServer.start();
  await server.json('/v1/completions', { prompt: 'warm', max_tokens: 1 });
  const running = server.post('/v1/completions', { ...endless, stream: true });
  await server.busy();
  const closed = server.server.close(60_000);
  const late = await server.post('/v1/completions', endless).catch(() => undefined);
  if (late) expect(late.status).toBe(503);
  const streamed = events(await (await running).text());
  expect(streamed.at(-1)).toBe('[DONE]');
  expect(streamed.slice(0, -1).some(({ choices }) => choices[0]?.finish_reason === 'length')).toBe(true);
  await closed;
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  await server.stop();
});

it('says on the command line what is wrong', async () => {
  const told: string[] = [];
  const errors = vi.spyOn(console, 'error').mockImplementation((text) => void told.push(String(text)));
  const output = vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(String(text)) > 0);
  const help = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  try {
    expect(await runCli(['serve', '--model', '/nowhere', '--port', '0'])).toBe(1);
    expect(told.join('')).toContain('/nowhere is no checkpoint folder');
    expect(await runCli(['serve', '--port', 'x'])).toBe(1);
    expect(told.join('')).toContain('whole number');
    expect(await runCli(['--help'])).toBe(0);
  } finally {
    for (const spy of [errors, output, help]) spy.mockRestore();
  }
});
