import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

/** Runs a script in a fresh process, for what happens once per process. It has `tf`, `capture` and `initCompute`. */
export function inProcess(script: string, env: Record<string, string> = {}): { out: string; err: string } {
  const source = `import { capture, initCompute } from './src/index.js'; import * as tf from '@tensorflow/tfjs-core'; ${script}`;
  const done = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--conditions=@gpt-lineage/source', '--input-type=module', '-e', source],
    {
      cwd: new URL('../..', import.meta.url),
      encoding: 'utf8',
      env: { ...process.env, GPT_LINEAGE_BACKEND: '', ...env },
    },
  );
  expect([done.status, done.stderr]).toEqual([0, expect.any(String)]);
  return { out: done.stdout.trim(), err: done.stderr };
}
