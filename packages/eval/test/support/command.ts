import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packageFolder = join(dirname(fileURLToPath(import.meta.url)), '../..');

export const modelFolder = join(packageFolder, 'test/fixtures/lm-eval/model');

/** `gpt-eval` from its sources, in a process of its own on a fixed backend. */
export function startCommand(...args: string[]) {
  const child = spawn(
    process.execPath,
    ['--conditions=@gpt-lineage/source', '--import', 'tsx', join(packageFolder, 'src/cli/main.ts'), ...args],
    {
      cwd: packageFolder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GPT_LINEAGE_BACKEND: 'wasm' },
    },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<{
    code: number | null;
    signal: NodeJS.Signals | null;
    stdout: string;
    stderr: string;
  }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended, stderr: () => stderr };
}

/** Waits until `ready` says so; `ended` first is a failure. */
export async function until(ready: () => boolean, ended: Promise<{ stderr: string }>): Promise<void> {
  let over: { stderr: string } | undefined;
  ended.then((result) => {
    over = result;
  });
  while (!ready()) {
    if (over) throw new Error(`the command ended early: ${over.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
