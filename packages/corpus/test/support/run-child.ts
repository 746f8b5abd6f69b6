import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { builtFolder } from './global-setup.js';

/** Starts an entry of the test build in a Node process of its own. */
export function startChild(entry: 'cli' | 'pipeline-child', args: readonly string[], cwd?: string) {
  const child = spawn(process.execPath, [join(builtFolder, `${entry}.js`), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  });
  let stdout = '';
  let stderr = '';
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
  return { child, ended, output: () => stdout + stderr };
}
