import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli } from '../src/cli/program.js';
import { createProgressView } from '../src/cli/progress.js';
import { seededRandom } from '../src/metrics/statistics.js';
import { modelFolder, startCommand, until } from './support/command.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-eval-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let stdout = '';
let stderr = '';
beforeEach(() => {
  [stdout, stderr] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += chunk;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    stderr += chunk;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const run = (...args: string[]) =>
  runCli(['run', '--model', modelFolder, '--backend', 'wasm', '--quiet', ...args]);

describe('gpt-eval run', () => {
  it('prints a table, writes a folder, and answers a second time from the cache', async () => {
    const output = join(folder, 'out');
    expect(await run('-t', 'lambada_openai,mmlu_astronomy', '-n', '2', '-l', '6', '-o', output)).toBe(0);
    expect(stdout).toMatch(/lambada_openai .* acc/u);
    const [report, cache] = ['report.json', 'cache.jsonl'].map((file) =>
      readFileSync(join(output, file), 'utf8'),
    );
    for (const file of ['report.md', 'report.html']) expect(existsSync(join(output, file))).toBe(true);
    const parsed = JSON.parse(report!);
    expect(parsed).toMatchObject({
      model: 'model',
      options: { shots: 2, limit: 6, seed: 1234 },
      tasks: [{}, {}],
    });
    expect(parsed.modelIdentity).toMatch(/^[0-9a-f]{16}$/u);
    expect(parsed.parameters).toBeGreaterThan(10_000);
    expect(await run('-t', 'lambada_openai,mmlu_astronomy', '-n', '2', '-l', '6', '-o', output)).toBe(0);
    expect(readFileSync(join(output, 'report.json'), 'utf8')).toBe(report);
    expect(readFileSync(join(output, 'cache.jsonl'), 'utf8')).toBe(cache);
  });

  it('prints the report as JSON', async () => {
    expect(
      await run('-t', 'arithmetic_2da', 'arithmetic_2ds', '-l', '3', '--json', '--no-cache', '--samples'),
    ).toBe(0);
    const { tasks } = JSON.parse(stdout);
    expect(tasks.map(({ task }: { task: string }) => task)).toEqual(['arithmetic_2da', 'arithmetic_2ds']);
    expect(tasks[0].samples[0].prompt).toContain('Question:');
  });

  it.each([
    [['-t', 'helaswag'], /helaswag.*did you mean hellaswag/u],
    [['-t', 'humaneval'], /allow-code-execution/u],
    [['-t', 'mmlu_astronomy', '-n', '99'], /99 shots need 99 example records/u],
    [['-t', 'arithmetic_2da', '--data', '/nowhere'], /does not exist/u],
    [['--task-file', '/nowhere.yaml'], /nowhere\.yaml/u],
    [[], /at least one task/u],
  ])('%j fails with one sentence', async (args, message) => {
    expect(await run('--no-cache', ...args)).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
  });

  it('a wrong flag is refused', async () => {
    expect(await run('-t', 'arithmetic_2da', '--shots', 'many')).toBe(1);
    expect(stderr).toContain('give a whole number');
  });

  it('killed at random and started again, it ends in the same report', async () => {
    // Small batches, so that there are many places to be killed at.
    const flags = [
      '-t',
      'mmlu_astronomy,lambada_openai,gsm8k',
      '-n',
      '1',
      '-l',
      '8',
      '--batch-tokens',
      '400',
    ];
    expect(
      await run(...flags, '--json', join(folder, 'whole.json'), '--cache', join(folder, 'whole.jsonl')),
    ).toBe(0);
    const lines = (file: string) =>
      existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
    const batches = lines(join(folder, 'whole.jsonl'));
    expect(batches).toBeGreaterThan(10);
    const random = seededRandom(5);
    const [cache, json] = [join(folder, 'killed.jsonl'), join(folder, 'killed.json')];
    const command = () =>
      startCommand('run', '--model', modelFolder, '--quiet', ...flags, '--json', json, '--cache', cache);
    for (const signal of ['SIGKILL', 'SIGINT'] as const) {
      const { child, ended } = command();
      const enough = Math.min(batches - 1, lines(cache) + 1 + Math.floor((random() * batches) / 3));
      await until(() => lines(cache) >= enough, ended);
      child.kill(signal);
      const result = await ended;
      if (signal === 'SIGKILL') expect(result.signal).toBe('SIGKILL');
      else
        expect([result.code, result.stderr]).toEqual([
          130,
          expect.stringContaining('the same command goes on'),
        ]);
      expect(existsSync(json)).toBe(false);
    }
    expect((await command().ended).code).toBe(0);
    expect(readFileSync(json, 'utf8')).toBe(readFileSync(join(folder, 'whole.json'), 'utf8'));
  }, 400_000);
});

describe('gpt-eval list, compare, report', () => {
  it('lists tasks and groups', async () => {
    expect(await runCli(['list', '--json'])).toBe(0);
    expect(JSON.parse(stdout).map((task: { name: string }) => task.name)).toContain('hellaswag');
    stdout = '';
    expect(await runCli(['list', 'mmlu', '--groups'])).toBe(0);
    expect(stdout).toMatch(/mmlu_stem\s+│ 19/u);
  });

  it('compares two runs and shows several as one page', async () => {
    const reports = [];
    for (const shots of ['0', '2']) {
      const file = join(folder, `shots-${shots}.json`);
      reports.push(file);
      expect(await run('-t', 'mmlu_astronomy', '-l', '6', '-n', shots, '--json', file, '--no-cache')).toBe(0);
    }
    stdout = '';
    expect(await runCli(['compare', reports[0]!, reports[0]!, '--json'])).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { task: 'mmlu_astronomy', difference: 0, pValue: 1, items: 6 },
    ]);
    stdout = '';
    expect(await runCli(['compare', ...reports])).toBe(0);
    expect(stdout).toContain('not comparable');
    expect(await runCli(['report', ...reports, '-f', 'html', '-o', join(folder, 'all.html')])).toBe(0);
    expect(readFileSync(join(folder, 'all.html'), 'utf8')).toContain('by number of examples in the prompt');
    stdout = '';
    expect(await runCli(['report', reports[0]!, '-f', 'markdown'])).toBe(0);
    expect(stdout).toContain('| mmlu_astronomy |');
    writeFileSync(join(folder, 'other.json'), '{"a": 1}');
    expect(await runCli(['report', join(folder, 'other.json')])).toBe(1);
    expect(stderr).toContain('no evaluation report');
  });
});

describe('an endpoint', () => {
  it('is scored through its log-probabilities', async () => {
    // Every token has log-probability -1: choices differ by their lengths, and " B" has two tokens.
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        response.setHeader('content-type', 'application/json');
        if (request.url === '/v1/models') return response.end('{"data":[{"id":"served"}]}');
        const { prompt } = JSON.parse(body) as { prompt: number[][] };
        const choices = prompt.map((ids, index) => ({
          index,
          text: '',
          logprobs: {
            tokens: ids.map(String),
            token_logprobs: ids.map((_, at) => (at === 0 ? null : -1)),
            top_logprobs: ids.map(() => null),
          },
        }));
        return response.end(JSON.stringify({ choices }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `openai:http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const endpoint = (...args: string[]) =>
      runCli(['run', '--model', url, '--quiet', '-t', 'mmlu_astronomy', '-l', '4', ...args]);
    try {
      expect(await endpoint('--json', '--samples', '--tokenizer', modelFolder)).toBe(0);
      const { model, tasks } = JSON.parse(stdout);
      expect(model).toContain('served @ http://127.0.0.1');
      expect(
        tasks[0].samples[0].outputs.map((output: { logLikelihood: number }) => output.logLikelihood),
      ).toEqual([-1, -2, -1, -1]);
      expect(await endpoint()).toBe(1);
      expect(stderr).toContain('--tokenizer is missing');
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe('progress', () => {
  const stream = (isTTY: boolean) => {
    const lines: string[] = [];
    return { lines, isTTY, write: (text: string) => lines.push(text) } as unknown as NodeJS.WriteStream & {
      lines: string[];
    };
  };

  it('plain lines say rate and time left', () => {
    let time = 0;
    const out = stream(false);
    const view = createProgressView({ stream: out, everyMs: 1000, now: () => time });
    for (let done = 0; done <= 100; done += 10, time += 500)
      view.show({ task: 'toy', taskIndex: 1, tasks: 3, done, total: 100 });
    view.close();
    expect(out.lines[1]).toBe('[2/3] toy: 20/100, 20.0/s, 4 s left\n');
    expect(out.lines.at(-1)).toContain('toy: 100/100');
    expect(out.lines.length).toBeLessThan(8);
  });

  it('JSON lines are events', () => {
    const out = stream(true);
    createProgressView({ stream: out, jsonl: true }).show({
      task: 'toy',
      taskIndex: 0,
      tasks: 1,
      done: 1,
      total: 2,
    });
    expect(JSON.parse(out.lines[0]!)).toEqual({ task: 'toy', taskIndex: 0, tasks: 1, done: 1, total: 2 });
  });
});
