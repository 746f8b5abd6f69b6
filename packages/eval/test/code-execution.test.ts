import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  checkHumanEval,
  detectIsolation,
  type HumanEvalProblem,
  humanEvalPassAtK,
  runSandboxed,
} from '../src/index.js';

const options = { allowCodeExecution: true, timeoutMs: 30_000 };
const isolation = await detectIsolation();
const python = await runSandboxed('print(1)', options).then(
  () => true,
  () => false,
);
if (!python) console.log('skipped: code execution, no python3 that the sandbox account can run');
const contained = python && isolation === 'namespaces';
if (!contained) console.log('skipped: network and file-system containment, this machine has no namespaces');

const problems: HumanEvalProblem[] = gunzipSync(
  readFileSync(new URL('./fixtures/human-eval-40.jsonl.gz', import.meta.url)),
)
  .toString('utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('runs nothing unless asked to', async () => {
  await expect(runSandboxed('print(1)', { allowCodeExecution: false })).rejects.toThrow(/allowCodeExecution/);
  await expect(runSandboxed('', { ...options, interpreter: '/nonexistent/python' })).rejects.toThrow(
    /not found/,
  );
});

describe.runIf(python)('HumanEval', () => {
  it('gives the reference solutions pass@1 = 1 and broken ones 0', async () => {
    const outcomes = [];
    for (const problem of problems) {
      const right = await checkHumanEval(problem, problem.canonical_solution!, options);
      expect(right.status, `${problem.task_id}: ${right.stderr}`).toBe('passed');
      outcomes.push({ samples: 1, passed: 1 });
    }
    expect(humanEvalPassAtK(outcomes, 1)).toBe(1);
    for (const problem of problems.slice(0, 8)) {
      for (const broken of [
        '    return None\n',
        '    import sys; sys.exit(0)\n',
        '    this is no Python\n',
      ]) {
        expect((await checkHumanEval(problem, broken, options)).status).toBe('failed');
      }
    }
    // Leaving before the tests ran, at import time, with exit code 0.
    const early = '    pass\nimport os\nos._exit(0)\n';
    expect((await checkHumanEval(problems[0]!, early, options)).status).toBe('failed');
  }, 120_000);
});

describe.runIf(python)('escapes are contained', () => {
  it('an endless loop ends at the time limit', async () => {
    const result = await runSandboxed('while True: pass', { ...options, timeoutMs: 700 });
    expect(result.status).toBe('timeout');
    expect(result.durationMs).toBeLessThan(30_000);
  });

  it('endless output is cut and stopped', async () => {
    const result = await runSandboxed('while True: print("x" * 1000)', options);
    expect(result.status).toBe('output-limit');
    expect(result.stdout.length).toBeLessThanOrEqual(64 * 1024);
  });

  it('a 10 GB allocation fails', async () => {
    const result = await runSandboxed('x = bytearray(10 * 2**30); print("got it")', options);
    expect(result.status).toBe('failed');
    expect(result.stderr).toContain('MemoryError');
  });

  it('a huge file stops at the limit', async () => {
    const source =
      'f = open("big", "wb")\nfor _ in range(4000): f.write(b"x" * 2**20)\nf.close(); print("written")';
    const result = await runSandboxed(source, options);
    expect(result.stdout).not.toContain('written');
  });

  it('a fork bomb stays below the process limit and dies', async () => {
    const source = `
import os, sys, time
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made)
sys.stdout.flush()
os._exit(0)`;
    const result = await runSandboxed(source, { ...options, processes: 24 });
    expect(Number(result.stdout.trim())).toBeLessThan(24);
  });

  it('sees no environment of the caller', async () => {
    process.env.GPT_EVAL_SECRET = 'token';
    const result = await runSandboxed('import os; print(sorted(os.environ))', options);
    Reflect.deleteProperty(process.env, 'GPT_EVAL_SECRET');
    expect(result.stdout).not.toContain('GPT_EVAL_SECRET');
  });

  it('leaves no folder behind and obeys an abort', async () => {
    const controller = new AbortController();
    const running = runSandboxed('import os, time; print(os.getcwd(), flush=True); time.sleep(60)', {
      ...options,
      signal: controller.signal,
    });
    await wait(700);
    controller.abort();
    const result = await running;
    expect(result.status).toBe('aborted');
    const folder = result.stdout.trim();
    if (folder !== '') expect(existsSync(folder)).toBe(false);
  });
});

describe.runIf(contained)('with namespaces', () => {
  it('cannot write outside of its folder', async () => {
    const target = join(tmpdir(), `gpt-eval-escape-${process.pid}`);
    const source = `
import os
for path in [${JSON.stringify(target)}, '/dev/shm/gpt-eval-escape', '/var/tmp/gpt-eval-escape']:
    try:
        open(path, 'w').write('out')
        print('wrote', path)
    except OSError as error:
        print('refused')
open('inside', 'w').write('ok')
print('inside', os.listdir('.'))`;
    const result = await runSandboxed(source, options);
    expect(result.stdout.trim().split('\n')).toEqual(['refused', 'refused', 'refused', "inside ['inside']"]);
    expect(existsSync(target)).toBe(false);
  });

  it('cannot reach the network, not even this machine', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const source = `
import socket
try:
    socket.create_connection(('127.0.0.1', ${port}), timeout=2)
    print('connected')
except OSError:
    print('refused')`;
    const result = await runSandboxed(source, options);
    server.close();
    expect(result.stdout.trim()).toBe('refused');
    expect(connections).toBe(0);
  });

  it('a child that leaves the process group dies with it', async () => {
    const source = `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(40)
        os._exit(0)
    os._exit(0)
print(len([p for p in os.listdir('/proc') if p.isdigit()]))`;
    const result = await runSandboxed(source, options);
    expect(result.status).toBe('passed');
    expect(result.durationMs).toBeLessThan(35_000); // did not wait for the sleeper
  });
});
