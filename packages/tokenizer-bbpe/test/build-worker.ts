import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { useWorkerFile } from '../src/node/worker-source.js';

/** Builds the worker from source, so that nothing has to be built before tests and benchmarks. @returns clean-up */
export async function buildWorker(): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'bbpe-worker-'));
  const outfile = join(folder, 'worker.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('../src/node/worker.ts', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@gpt-lineage/source'],
    logLevel: 'silent',
  });
  useWorkerFile(pathToFileURL(outfile));
  return () => rmSync(folder, { recursive: true, force: true });
}
