import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../src/cli/program.js';
import { curveOf, finished, lines, startCli, tinyProject } from './cli-support.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-rlhf-kill-'));
let commands: Record<string, string[]> = {};
beforeAll(async () => {
  ({ commands } = await tinyProject(folder));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** How many lines of the log a run writes before it is killed: somewhere in its middle. */
const moments = { sft: 7, rm: 9, dpo: 5, ppo: 14, grpo: 9, improve: 16 };

it.each(Object.entries(moments))('%s: killed with SIGKILL, it resumes exactly', async (name, after) => {
  const [whole, killed] = [join(folder, `${name}-whole`), join(folder, `${name}-killed`)];
  const args = [...commands[name]!, '--backend', 'wasm', '--quiet'];
  expect(await runCli([...args, '--out', whole])).toBe(0);

  const child = startCli([...args, '--out', killed]);
  const exit = once(child, 'exit');
  while (child.exitCode === null && lines(killed) < after)
    await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill('SIGKILL');
  await exit;
  expect(curveOf(killed).length).toBeLessThan(curveOf(whole).length); // it was killed on the way

  const { status, stderr } = await finished(startCli([...args, '--out', killed, '--resume']));
  expect({ status, stderr: stderr.split('\n').filter((line) => line.startsWith('gpt-rlhf:')) }).toEqual({
    status: 0,
    stderr: [],
  });
  expect(curveOf(killed)).toEqual(curveOf(whole));
  for (const file of ['model.safetensors', ...(name === 'rm' ? ['scalar_head.safetensors'] : [])])
    expect(readFileSync(join(killed, file)).equals(readFileSync(join(whole, file)))).toBe(true);
});
