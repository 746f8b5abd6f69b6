import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { readJsonlLog } from '../../src/node/metrics-log.js';
import { curve, verse } from '../support/training.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-workers-'));
const text = join(folder, 'verse.txt');
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
beforeAll(() => writeFileSync(text, verse));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function pretrain(out: string, ...args: string[]): Promise<void> {
  const settings = [
    ...['--text', text, '--n-layer', '1', '--n-head', '2', '--n-embd', '16', '--context-length', '16'],
    ...['--batch-size', '8', '--micro-batch-size', '4', '--steps', '6', '--seed', '3', '--no-sample'],
    ...['--backend', 'tensorflow', '--out', join(folder, out)],
  ];
  const runtime = ['--conditions=@gpt-lineage/source', '--import', 'tsx', main, 'pretrain'];
  const child = spawn(process.execPath, [...runtime, ...settings, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new Error(stderr);
}

it('--workers: two processes train as one does, and the first keeps the run', async (context) => {
  const native = await initCompute({ prefer: 'tensorflow', strict: true }).then(
    () => true,
    () => false,
  );
  if (!native) return context.skip('native TensorFlow is not installed: gpt-compute install-native');
  const workers = `127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`;
  await pretrain('alone');
  await Promise.all([
    pretrain('both', '--workers', workers, '--worker-index', '0'),
    pretrain('second', '--workers', workers, '--worker-index', '1'),
  ]);
  const log = async (name: string) => curve(await readJsonlLog(join(folder, name, 'metrics.jsonl')));
  const [alone, both] = [await log('alone'), await log('both')];
  expect(both).toHaveLength(alone.length);
  for (const [step, numbers] of both.entries())
    for (const [i, value] of numbers.entries()) expect(Math.abs(value - alone[step]![i]!)).toBeLessThan(1e-5);
  expect(existsSync(join(folder, 'both', 'model.safetensors'))).toBe(true);
  expect(existsSync(join(folder, 'second', 'model.safetensors'))).toBe(false);
  expect(readFileSync(join(folder, 'both', 'run.json'), 'utf8')).not.toContain('127.0.0.1');
}, 240_000);

it('needs the place of this process among the workers', async () => {
  const out: string[] = [];
  const write = process.stderr.write;
  process.stderr.write = (chunk) => Boolean(out.push(String(chunk)));
  try {
    const args = ['--workers', '127.0.0.1:1', '--text', text, '--out', join(folder, 'z')];
    args.push('--context-length', '16', '--backend', 'cpu');
    expect(await runCli(['pretrain', ...args])).toBe(1);
  } finally {
    process.stderr.write = write;
  }
  expect(out.join('')).toContain('--worker-index');
});
