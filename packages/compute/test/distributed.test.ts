import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allReduceMean, ClusterError, joinCluster } from '../src/index.js';
import { setupBackend } from '../src/testing/setup.js';
import { missing } from './executors.js';

interface Line {
  step: number;
  loss: number;
  error?: string;
  message?: string;
}

const script = join(import.meta.dirname, 'distributed', 'worker.ts');
// The loader rather than the command: the command runs its script in a child, which would survive a kill.
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

class Worker {
  readonly lines: Line[] = [];
  readonly process: ChildProcess;
  readonly done: Promise<number>;
  private readonly watchers: (() => void)[] = [];
  private log = '';

  constructor(args: string[], pauseMs = 0) {
    this.process = spawn(
      process.execPath,
      ['--import', tsx, '--conditions=@gpt-lineage/source', script, ...args],
      {
        env: { ...process.env, PAUSE_MS: String(pauseMs) },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let rest = '';
    this.process.stderr!.on('data', (chunk: Buffer) => {
      this.log += chunk.toString();
    });
    this.process.stdout!.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop()!;
      for (const part of parts) if (part.startsWith('{')) this.lines.push(JSON.parse(part) as Line);
      for (const watch of this.watchers) watch();
    });
    this.done = new Promise((resolve) => this.process.on('close', (code) => resolve(code ?? -1)));
  }

  reached(step: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => this.lines.some((line) => line.step === step) && resolve();
      this.watchers.push(look);
      look();
      this.done.then(() => reject(new Error(`the worker ended before step ${step}: ${this.log}`)));
    });
  }

  get losses(): number[] {
    return this.lines.filter((line) => line.loss !== undefined).map((line) => line.loss);
  }
}

async function freePorts(count: number): Promise<string> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports.join(',');
}

let folder = '';
const running: Worker[] = [];
const start = (...args: ConstructorParameters<typeof Worker>) => {
  const worker = new Worker(...args);
  running.push(worker);
  return worker;
};

beforeAll(async () => {
  await setupBackend();
  folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-cluster-'));
});
afterAll(() => {
  for (const { process: child } of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

describe('allReduceMean', () => {
  it('is the identity without a cluster', () => {
    const x = tf.tensor1d([1, 2]);
    const out = allReduceMean({ x });
    expect([...out.x!.dataSync()]).toEqual([1, 2]);
    tf.dispose([x, out]);
  });
});

describe.skipIf(missing.tensorflow !== '')('a cluster of two processes', () => {
  it('checks its options', () => {
    expect(() => joinCluster({ workers: ['a:1', 'a:1'], index: 0 })).toThrow(ClusterError);
    expect(() => joinCluster({ workers: ['a'], index: 0 })).toThrow(/host:port/);
    expect(() => joinCluster({ workers: ['a:1'], index: 1 })).toThrow(/index/);
  });

  it('trains like one process with the doubled batch; a lost worker is an error; a restart resumes', async () => {
    const alone = start([await freePorts(1), '0', '8']);
    expect(await alone.done).toBe(0);
    expect(alone.losses.length).toBe(8);

    const checkpoint = join(folder, 'checkpoint.json');
    const ports = await freePorts(2);
    const first = [start([ports, '0', '8', '0', checkpoint], 400), start([ports, '1', '8'], 400)] as const;
    await first[0].reached(2);
    first[1].process.kill('SIGKILL');
    expect(await first[0].done).toBe(3);
    const last = first[0].lines.at(-1)!;
    expect(last.error).toBe('ClusterError');
    expect(last.message).toMatch(/was lost.*last checkpoint/s);
    const before = first[0].losses;
    expect(before.length).toBeLessThan(8);

    const { step } = JSON.parse(readFileSync(checkpoint, 'utf8')) as { step: number };
    const again = await freePorts(2);
    const second = [0, 1].map((i) => start([again, `${i}`, '8', `${step}`, checkpoint]));
    // Worker 1 restores the same checkpoint as worker 0 before the first step overwrites it.
    expect(await Promise.all(second.map((worker) => worker.done))).toEqual([0, 0]);
    const resumed = [...before.slice(0, step), ...second[0]!.losses];
    expect(resumed.length).toBe(8);
    for (const [i, loss] of resumed.entries()) expect(loss / alone.losses[i]!).toBeCloseTo(1, 4);
    expect(second[1]!.losses).toEqual(second[0]!.losses);
  }, 180_000);
});
