import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../src/node/index.js';
import { Sandbox } from './helpers/fake-tools.js';
import { fakeLibraries, fakeWheel } from './helpers/fake-wheel.js';

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => box.remove());

function cli(...args: string[]) {
  const done = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--conditions=@gpt-lineage/source', 'src/cli/main.ts', ...args],
    { cwd: new URL('..', import.meta.url), encoding: 'utf8', env: box.env },
  );
  return { code: done.status, out: done.stdout.trim(), err: done.stderr.trim() };
}

// Each call starts a process of its own, which takes seconds on a busy machine.
describe('gpt-compute', { timeout: 300_000 }, () => {
  it('doctor on a machine with nothing native: healthy, proved on wasm, says how to get more', () => {
    const { code, out } = cli('doctor', '--json');
    const diagnosis = JSON.parse(out) as Diagnosis;
    expect(code).toBe(0);
    expect(diagnosis.compute).toMatchObject({
      backend: 'wasm',
      why: expect.stringContaining('skipped: tensorflow'),
    });
    expect(diagnosis.gradients).toEqual({ ok: true, detail: 'agree with finite differences' });
    expect(diagnosis.matmul.gflops).toBeGreaterThan(0);
    const states = Object.fromEntries(diagnosis.checks.map((c) => [c.name, c]));
    expect(states['native TensorFlow']).toMatchObject({
      state: 'missing',
      fix: expect.stringContaining('install-native'),
    });
    expect(states.pip).toMatchObject({ state: 'missing', fix: expect.stringContaining('python3-pip') });
    expect(states['C++ compiler']).toMatchObject({ state: 'missing', fix: expect.stringContaining('g++') });
  });

  it('install-native: plain lines, JSON lines, quiet, uninstall', () => {
    box.compiler();
    box.pip(box.file('good.whl', fakeWheel(fakeLibraries)));
    const first = cli('install-native', '--no-verify');
    expect(first.code).toBe(0);
    expect(first.out).toMatch(
      /download: .*\n.*unpack: .*\n.*compile: .*\n[\s\S]*Installed libtensorflow 9\.9\.9 \(cpu\) in /,
    );
    expect(cli('install-native', '--no-verify', '--quiet')).toEqual({ code: 0, out: '', err: '' });
    const lines = cli('install-native', '--no-verify', '--json')
      .out.split('\n')
      .map((line) => JSON.parse(line) as { phase?: string; upToDate?: boolean });
    expect(lines[0]?.phase).toBe('check');
    expect(lines.at(-1)?.upToDate).toBe(true);
    expect(cli('install-native', '--uninstall', '--version', '1.0').out).toBe('Nothing was installed.');
    expect(cli('install-native', '--uninstall').out).toMatch(/^Removed .*libtensorflow-9\.9\.9-cpu/);
  });

  it('an expected failure is one line with the fix and exit code 1; a stack only with --verbose', () => {
    const plain = cli('install-native', '--no-verify');
    expect(plain.code).toBe(1);
    expect(plain.err).toMatch(/^gpt-compute: No C\+\+ compiler was found .*apt-get install g\+\+.*CXX\.$/);
    expect(cli('install-native', '--verbose').err).toMatch(
      /NativeInstallError: No C\+\+ compiler[\s\S]*\n\s+at /,
    );
    expect(cli('doctor', '--backend', 'cuda')).toMatchObject({
      code: 1,
      err: "gpt-compute: --backend must be one of tensorflow, webgpu, wasm, cpu, received 'cuda'.",
    });
    const unknown = cli('doctor', '--fast');
    expect(unknown.code).not.toBe(0);
    expect(unknown.err).toContain("unknown option '--fast'");
  });
});
