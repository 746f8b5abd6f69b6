import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testBackend } from '@gpt-lineage/compute/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hash32 } from '../../src/data/random.js';
import { readCheckpoint } from '../../src/node/index.js';
import { readJsonlLog } from '../../src/node/metrics-log.js';
import { curve, verse } from '../support/training.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-kill-'));
const text = join(folder, 'verse.txt');
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** Kills per run; the nightly check asks for more. */
const KILLS = Number(process.env.GPT_LINEAGE_KILLS ?? 4);
const STEPS = 60;

beforeAll(() => writeFileSync(text, verse));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(out: string, ...args: string[]): ChildProcess {
  const runtime = ['--conditions=@gpt-lineage/source', '--import', 'tsx', main];
  return spawn(process.execPath, [...runtime, 'pretrain', '--out', out, '--no-sample', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

const settings = [
  ...['--text', text, '--n-layer', '1', '--n-head', '2', '--n-embd', '16', '--context-length', '16'],
  ...['--batch-size', '4', '--steps', String(STEPS), '--checkpoint-every', '3', '--validate-every', '20'],
  ...['--seed', '5', '--ema-decay', '0.9', '--backend', testBackend()],
];

async function finish(child: ChildProcess): Promise<void> {
  let stderr = '';
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  expect(stderr.split('\n').filter((line) => line.startsWith('gpt:'))).toEqual([]);
  expect(status).toBe(0);
}

/** Lines of the metrics file: how far a run has come. */
function progress(out: string): number {
  const path = join(out, 'metrics.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length : 0;
}

it(
  `kill -9 at ${KILLS} moments: always resumes, never half a checkpoint, the same curve`,
  async () => {
    const whole = join(folder, 'whole');
    await finish(start(whole, ...settings));
    const expected = await readJsonlLog(join(whole, 'metrics.jsonl'));

    const killed = join(folder, 'killed');
    let args: readonly string[] = settings;
    let kills = 0;
    while (kills < KILLS) {
      const child = start(killed, ...args);
      const exited = once(child, 'exit');
      const before = progress(killed);
      // Some steps after the last start, then a moment that falls anywhere in a step or in a save.
      const lines = 1 + (hash32(17, kills) % Math.ceil(STEPS / (KILLS + 1)));
      while (child.exitCode === null && (before === 0 ? progress(killed) : progress(killed) - before) < lines)
        await new Promise((resolve) => setTimeout(resolve, 2));
      await new Promise((resolve) => setTimeout(resolve, hash32(18, kills) % 12));
      child.kill('SIGKILL');
      await exited;
      kills++;
      const checkpoints = join(killed, 'checkpoints');
      const names = existsSync(checkpoints) ? readdirSync(checkpoints) : [];
      for (const name of names.filter((entry) => entry.startsWith('step-')))
        await readCheckpoint(join(checkpoints, name));
      args =
        names.length > 0 || existsSync(join(killed, 'run.json'))
          ? ['--resume', '--backend', testBackend()]
          : settings;
    }
    await finish(start(killed, ...args));
    expect(curve(await readJsonlLog(join(killed, 'metrics.jsonl')))).toEqual(curve(expected));
    expect(readFileSync(join(killed, 'model.safetensors'))).toEqual(
      readFileSync(join(whole, 'model.safetensors')),
    );
    expect(readdirSync(join(killed, 'checkpoints')).every((name) => name.startsWith('step-'))).toBe(true);
  },
  300_000 + KILLS * 75_000,
);
