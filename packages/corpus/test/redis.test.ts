import { spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, type PipelineConfig, pipeline, redisExecutor } from '../src/index.js';
import { startChild } from './support/run-child.js';
import { snapshot } from './support/snapshot.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { testBase, testConfig } from './support/test-corpus.js';

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) console.warn('skipped: scale-out tests need redis-server (apt-get install redis-server)');

const folder = temporaryFolder();

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe.skipIf(!hasRedis)('scale-out over Redis', () => {
  let redis: ReturnType<typeof spawn>;
  let url: string;
  let wanted: Record<string, string>;

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
    for (let i = 0; i < 200 && !printed.includes('Ready to accept'); i++) await sleep(50);
    await pipeline(testConfig(join(folder, 'one')), { baseDirectory: testBase });
    wanted = snapshot(join(folder, 'one'));
  });
  afterAll(() => {
    redis?.kill();
  });

  const startWorker = (queue: string) =>
    startChild('cli', ['worker', '--redis', url, '--queue', queue, '--lease', '2000']);

  it('gives the same shards with two worker processes, one of them killed in the middle of a task', async () => {
    const output = join(folder, 'two');
    const workers = [startWorker('killed'), startWorker('killed')] as const;
    // Both must stand in line before there is work, or one might do all of it.
    for (const { output } of workers) while (!output().includes('waiting for tasks')) await sleep(20);
    const coordinator = pipeline(testConfig(output), {
      baseDirectory: testBase,
      executor: await redisExecutor({ url, queue: 'killed' }),
    });
    let killed = false;
    const isFirstAtWork = () => /^[a-z]+\/\S/m.test(workers[0].output());
    const killer = (async () => {
      while (!isFirstAtWork()) await sleep(2);
      workers[0].child.kill('SIGKILL');
      killed = true;
    })();
    try {
      await coordinator;
      await killer;
      expect(killed).toBe(true);
      expect((await workers[0].ended).signal).toBe('SIGKILL');
      expect(snapshot(output)).toEqual(wanted);
      // The second worker did the rest, the killed task included.
      expect(workers[1].output()).toMatch(/shard\/train-00000/);
    } finally {
      for (const { child } of workers) child.kill('SIGTERM');
      await workers[1].ended;
    }
  });

  it('reports a task that fails everywhere', async () => {
    const worker = startWorker('failing');
    const executor = await redisExecutor({ url, queue: 'failing' });
    try {
      writeFileSync(join(folder, 'bad.jsonl'), '{"text": 1}\n');
      const config: PipelineConfig = {
        output: join(folder, 'failing'),
        errors: { record: 'fail' },
        sources: [{ name: 'bad', files: join(folder, 'bad.jsonl') }],
      };
      await expect(pipeline(config, { baseDirectory: testBase, executor })).rejects.toThrow(
        /ingest\/000000 failed 3 times: .*bad\.jsonl:1: text: must be a string/,
      );
    } finally {
      worker.child.kill('SIGTERM');
      await executor.close();
      await worker.ended;
    }
    expect(existsSync(join(folder, 'failing', 'manifest.json'))).toBe(false);
  });
});

describe('redisExecutor', () => {
  it('says when no server answers', async () => {
    const port = await freePort();
    await expect(redisExecutor({ url: `redis://127.0.0.1:${port}` })).rejects.toThrow(ConfigError);
  });
});
