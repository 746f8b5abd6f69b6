import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../src/cli/program.js';
import { curveOf, finished, lines, startCli, tinyProject } from './cli-support.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-rlhf-cli-'));
let commands: Record<string, string[]> = {};
let path: (name: string) => string = () => '';
beforeAll(async () => {
  ({ commands, path } = await tinyProject(folder));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** Runs a command line here and catches what it writes. */
async function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += chunk;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    stderr += chunk;
    return true;
  });
  const status = await runCli([...args, '--backend', 'wasm']);
  vi.restoreAllMocks();
  return { status, stdout, stderr };
}

describe('gpt-rlhf', () => {
  it('grpo and rloo read their rules from YAML', async () => {
    expect((await run(...commands.grpo!, '--out', path('grpo'))).stderr).toBe('');
    const rloo = await run(
      ...commands.grpo!,
      '--algorithm',
      'rloo',
      '--iterations',
      '2',
      '--out',
      path('rloo'),
      '--json',
    );
    expect(rloo.status).toBe(0);
    expect(rloo.stdout.split('\n').filter((line) => line.includes('"rollout"'))).toHaveLength(2);
  });

  it.each([
    [['sft', '--out', 'x', '--model', 'x'], /data is missing: give --data/],
    [['sft', '--model', 'nowhere', '--data', 'nowhere.jsonl', '--out', 'x'], /nowhere\.jsonl does not exist/],
    [
      ['ppo', '--model', 'x', '--prompts', 'x', '--out', 'x', '--iterations', '0', '--max-tokens', '3'],
      /iterations is not valid/,
    ],
    [['dpo', '--variant', 'foo'], /Allowed choices|foo|variant/],
    [['sft', '--config', 'bad.yaml'], /bad\.yaml/],
    [['nonsense'], /unknown command/],
  ])('%j is refused in one sentence', async (args, message) => {
    writeFileSync(path('bad.yaml'), 'learning_rate: 3\n');
    const { status, stderr } = await run(...args.map((arg) => (arg === 'bad.yaml' ? path(arg) : arg)));
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(existsSync('x')).toBe(false);
  });

  it('refuses a folder that holds a run, and one that holds none to resume', async () => {
    const out = path('taken');
    expect((await run(...commands.dpo!, '--steps', '2', '--out', out)).status).toBe(0);
    expect((await run(...commands.dpo!, '--steps', '2', '--out', out)).stderr).toMatch(
      /--resume to go on, --overwrite/,
    );
    expect((await run(...commands.dpo!, '--steps', '2', '--out', out, '--overwrite')).status).toBe(0);
    expect((await run(...commands.dpo!, '--out', path('empty'), '--resume')).stderr).toMatch(
      /no run to resume/,
    );
  });

  it('Ctrl-C saves a checkpoint and says so; the run goes on from there', async () => {
    const out = path('interrupted');
    const args = [
      ...commands.grpo!,
      '--iterations',
      '200',
      '--checkpoint-every',
      '1000',
      '--backend',
      'wasm',
      '--out',
      out,
    ];
    const child = startCli(args);
    const end = finished(child);
    while (child.exitCode === null && lines(out) < 5) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGINT');
    const { status, stderr } = await end;
    expect(status).toBe(130);
    expect(stderr).toMatch(/stopping after this step and saving/);
    expect(readdirSync(join(out, 'checkpoints'))).toHaveLength(1);
    expect(curveOf(out).length).toBeGreaterThan(2);
  });
});
