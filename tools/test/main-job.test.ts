import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';

const execute = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'gpt-lineage-start-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = (...flags: string[]) =>
  execute(process.execPath, [join(root, 'tools/start.mjs'), ...flags], { cwd: root, maxBuffer: 1 << 26 });

describe('npm start', () => {
  it('explains itself', async () => {
    expect((await start('--help')).stdout).toContain('--steps N');
  });

  it('trains, samples, saves, reloads and goes on', async () => {
    const out = join(folder, 'model');
    const { stdout } = await start('--steps', '20', '--out', out, '--prompt', 'ROMEO:');
    expect(stdout).toMatch(/validation loss \d\.\d+/u);
    expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
    const continued = stdout.slice(stdout.indexOf('✓ train'));
    expect(continued).toContain('ROMEO:');
    expect(continued).toMatch(/✓ reload the checkpoint/u);
  }, 300_000);

  it('says in one sentence what is wrong', async () => {
    const failed = await start('--steps', 'many').catch(
      (error: { code: number; stderr: string; stdout: string }) => error,
    );
    expect(failed).toMatchObject({ code: 1 });
    expect(`${(failed as { stdout: string }).stdout}${(failed as { stderr: string }).stderr}`).not.toContain(
      '    at ',
    );
  }, 120_000);
});
