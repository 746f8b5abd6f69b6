import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-cluster-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const script = fileURLToPath(new URL('./cluster-worker.ts', import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function worker(workers: readonly string[], index: number): Promise<[number, number][]> {
  const out = join(folder, `${workers.length}-${index}.json`);
  const runtime = ['--conditions=@gpt-lineage/source', '--import', 'tsx', script];
  const child = spawn(process.execPath, [...runtime, workers.join(','), String(index), out], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => {
      if (code === 0) resolve(JSON.parse(readFileSync(out, 'utf8')));
      else reject(new Error(stderr));
    });
  });
}

it('two workers × B equal one × 2B, step for step', async (context) => {
  const native = await initCompute({ prefer: 'tensorflow', strict: true }).then(
    () => true,
    () => false,
  );
  if (!native) return context.skip('native TensorFlow is not installed: gpt-compute install-native');
  const alone = await worker([], 0);
  const addresses = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const [first, second] = await Promise.all([worker(addresses, 0), worker(addresses, 1)]);
  expect(first).toHaveLength(6);
  for (const run of [first, second])
    run!.forEach(([loss, norm], step) => {
      expect(Math.abs(loss - alone[step]![0])).toBeLessThan(1e-5);
      expect(Math.abs(norm - alone[step]![1])).toBeLessThan(1e-5);
    });
}, 240_000);
