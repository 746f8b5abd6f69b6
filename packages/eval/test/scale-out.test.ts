import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { GPT, initCompute, localLanguageModel } from '@gpt-lineage/gpt-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../src/cli/load-model.js';
import { answerBatch, evaluate, redisBatchExecutor, startRedisWorker, UsageError } from '../src/index.js';
import { modelFolder, startCommand, until } from './support/command.js';
import { TinyLanguageModel } from './tiny-language-model.js';

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) console.warn('skipped: scale-out tests need redis-server (apt-get install redis-server)');

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

it('says that no server answers', async () => {
  const url = `redis://127.0.0.1:${await freePort()}`;
  const model = { name: 'tiny', fingerprint: 'bytes' };
  await expect(redisBatchExecutor({ url, model })).rejects.toThrow(UsageError);
  await expect(redisBatchExecutor({ url: 'no url', model })).rejects.toThrow(/give a URL/u);
});

describe.skipIf(!hasRedis)('scale-out over Redis', () => {
  let redis: ReturnType<typeof spawn>;
  let url: string;

  beforeAll(async () => {
    const port = await freePort();
    url = `redis://127.0.0.1:${port}`;
    redis = spawn(
      'redis-server',
      ['--port', String(port), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    let printed = '';
    redis.stdout!.on('data', (chunk) => {
      printed += chunk;
    });
    const ended = new Promise<{ stderr: string }>((resolve) =>
      redis.on('exit', () => resolve({ stderr: printed })),
    );
    await until(() => printed.includes('Ready to accept'), ended);
  });
  afterAll(() => {
    redis?.kill();
  });

  it('two worker processes, one killed at work, give the report of one process', async () => {
    const options = {
      tasks: ['mmlu_astronomy', 'lambada_openai', 'gsm8k'],
      shots: 1,
      limit: 8,
      batchTokens: 400,
    };
    await initCompute({ prefer: 'wasm' });
    const { model, identity, dispose } = await loadModel({
      model: modelFolder,
      apiKeyEnv: '',
      backend: 'wasm',
    });
    const wanted = await evaluate(model, { ...options, modelIdentity: identity! });
    const worker = () => startCommand('worker', '--model', modelFolder, '--redis', url, '--lease', '2000');
    const workers = [worker(), worker()] as const;
    for (const { stderr, ended } of workers) await until(() => stderr().includes('answering for'), ended);
    const executor = await redisBatchExecutor({
      url,
      model: { name: model.name, fingerprint: model.fingerprint, identity },
    });
    try {
      const killed = until(() => workers[0].stderr().includes('batch of'), workers[0].ended).then(() =>
        workers[0].child.kill('SIGKILL'),
      );
      // The coordinator itself scores nothing.
      const idle = {
        ...model,
        score: () => Promise.reject(new Error('asked')),
        complete: () => Promise.reject(new Error('asked')),
      };
      const report = await evaluate(idle, { ...options, modelIdentity: identity!, executor });
      await killed;
      expect((await workers[0].ended).signal).toBe('SIGKILL');
      expect(workers[1].stderr()).toContain('batch of');
      expect(report).toEqual(wanted);
    } finally {
      await executor.close!();
      dispose();
      workers[0].child.kill('SIGKILL');
      workers[1].child.kill('SIGTERM');
      await workers[1].ended;
    }
  }, 400_000);

  it('an equal batch is answered once, and a failing one is tried again', async () => {
    const tiny = new TinyLanguageModel();
    const model = { name: tiny.name, fingerprint: tiny.fingerprint };
    let failures = 1;
    const worker = await startRedisWorker({
      url,
      model,
      answer: async (batch) => {
        if (failures-- > 0) throw new Error('lost');
        return answerBatch(tiny, batch, undefined);
      },
    });
    const executor = await redisBatchExecutor({ url, model });
    try {
      const options = { tasks: ['arithmetic_2da'], limit: 6 };
      const wanted = await evaluate(new TinyLanguageModel(), options);
      expect(await evaluate(new TinyLanguageModel(), { ...options, executor })).toEqual(wanted);
      const calls = tiny.scoreCalls;
      expect(await evaluate(new TinyLanguageModel(), { ...options, executor })).toEqual(wanted);
      expect(tiny.scoreCalls).toBe(calls);
      const controller = new AbortController();
      const waiting = evaluate(new TinyLanguageModel(), {
        ...options,
        seed: 2,
        limit: 5,
        executor: await redisBatchExecutor({ url, model: { ...model, name: 'nobody' } }),
        signal: controller.signal,
      });
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
    } finally {
      await executor.close!();
      await worker.close();
    }
  });
});

it('the fixture model answers as its own executor', async () => {
  await initCompute({ prefer: 'wasm' });
  const gpt = await GPT.load(modelFolder);
  const model = localLanguageModel(gpt);
  const answer = await answerBatch(
    model,
    { kind: 'score', requests: [{ promptTokenIds: [1], completionTokenIds: [2] }] },
    undefined,
  );
  expect(answer).toHaveLength(1);
  gpt.dispose();
});
