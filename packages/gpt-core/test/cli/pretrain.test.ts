import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testBackend } from '@gpt-lineage/compute/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { CharacterTokenizer, GPT, SubwordTokenizer } from '../../src/index.js';
import { readJsonlLog } from '../../src/node/metrics-log.js';
import { curve, verse } from '../support/training.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-cli-'));
const text = join(folder, 'verse.txt');
const at = (name: string) => join(folder, name);
beforeAll(() => writeFileSync(text, verse));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command line in this process. */
async function gpt(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => Boolean(out.push(String(chunk)))),
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => Boolean(err.push(String(chunk)))),
  ];
  try {
    return { status: await runCli(args), stdout: out.join(''), stderr: err.join('') };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
}

const tiny = [
  ...['--n-layer', '1', '--n-head', '2', '--n-embd', '16', '--context-length', '16'],
  ...['--batch-size', '4', '--learning-rate', '3e-3', '--backend', testBackend(), '--sample-tokens', '8'],
];
const train = (out: string, ...args: string[]) =>
  gpt('pretrain', '--text', text, '--out', at(out), ...tiny, ...args);

describe('gpt pretrain', () => {
  it('trains, reports, saves a model that loads, and goes on with --resume', async () => {
    const whole = await train('whole', '--steps', '8', '--checkpoint-every', '4');
    expect(whole.stderr).toBe('');
    expect(whole.status).toBe(0);
    expect(whole.stdout).toMatch(/step 8\/8 {2}loss \d\.\d{4}.*tok\/s/);
    expect(whole.stdout).toMatch(/step 8: validation loss \d\.\d{4}, \d\.\d{3} bits\/byte \(best\)/);
    expect(whole.stdout).toContain('training loss');
    expect(whole.stdout).toContain('sample');
    using model = await GPT.load(at('whole'));
    expect(model.config.contextLength).toBe(16);
    expect(model.tokenizer!.decode(model.encode('cat'))).toBe('cat');

    // Half the run, then the rest, without repeating the settings.
    await train('half', '--steps', '8', '--checkpoint-every', '4');
    rmSync(join(at('half'), 'checkpoints', 'step-00000008'), { recursive: true });
    const resumed = await gpt('pretrain', '--resume', '--out', at('half'), '--backend', testBackend());
    expect(resumed.status).toBe(0);
    expect(resumed.stdout).toContain('resuming at step 4');
    const log = (name: string) => readJsonlLog(join(at(name), 'metrics.jsonl'));
    expect(curve(await log('half'))).toEqual(curve(await log('whole')));
    expect(readFileSync(join(at('half'), 'model.safetensors'))).toEqual(
      readFileSync(join(at('whole'), 'model.safetensors')),
    );
  });

  it('writes TensorBoard files, and JSON to standard output', async () => {
    const run = await train('boards', '--steps', '2', '--tensorboard', '--jsonl', '-');
    const events = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.map(({ type }) => type)).toEqual([
      'start',
      'step',
      'step',
      'validation',
      'checkpoint',
      'end',
    ]);
    expect(readdirSync(join(at('boards'), 'tensorboard'))[0]).toMatch(/^events\.out\.tfevents\./);
  });

  it('takes settings from YAML and JSON files; flags win', async () => {
    writeFileSync(
      at('run.yaml'),
      `out: ${at('yaml')}\nmodel: { nLayer: 1, nHead: 2, nEmbd: 16 }\ndata: { text: ${text}, contextLength: 16 }\ntraining: { steps: 9, batchSize: 2 }\n`,
    );
    const run = await gpt('pretrain', '--config', at('run.yaml'), '--steps', '2', '--backend', testBackend());
    expect(run.stderr).toBe('');
    expect(run.stdout).toContain('2 steps');
    writeFileSync(at('bad.json'), '{"training": {"stepz": 3}}');
    expect((await gpt('pretrain', '--config', at('bad.json'), '--out', at('x'))).stderr).toBe(
      `gpt: ${at('bad.json')}: "training" has no field "stepz"; check its spelling.\n`,
    );
    writeFileSync(at('torn.json'), '{"training": ');
    expect((await gpt('pretrain', '--config', at('torn.json'), '--out', at('x'))).status).toBe(1);
  });

  it('goes on from a checkpoint on other data, with tokens for runs of spaces', async () => {
    const code = 'def f(x):\n      return x\n'.repeat(60);
    writeFileSync(at('code.txt'), code);
    const tokenizer = await SubwordTokenizer.train([verse], { vocabSize: 270 });
    const sizes = { vocabSize: 270, contextLength: 16, nLayer: 1, nHead: 2, nEmbd: 16 };
    {
      using base = GPT.create(sizes, { seed: 1, tokenizer });
      await base.save(at('base'));
    }
    const backend = ['--backend', testBackend()];
    const adapt = (out: string, ...args: string[]) =>
      gpt(
        ...[
          'pretrain',
          '--from',
          at('base'),
          '--space-runs',
          '6',
          '--text',
          at('code.txt'),
          '--out',
          at(out),
        ],
        ...[
          '--batch-size',
          '2',
          '--steps',
          '6',
          '--checkpoint-every',
          '3',
          '--no-sample',
          ...backend,
          ...args,
        ],
      );
    const run = await adapt('adapted');
    expect(run.stderr).toBe('');
    using model = await GPT.load(at('adapted'));
    expect(model.config).toMatchObject({ vocabSize: 275, nEmbd: 16, contextLength: 16 });
    expect(model.encode(' '.repeat(6))).toHaveLength(1);
    const log = async (name: string) => curve(await readJsonlLog(join(at(name), 'metrics.jsonl')));
    const steps = await log('adapted');
    expect(steps.at(-1)).not.toEqual(steps[0]);

    // A resumed run needs nothing of the first model.
    await adapt('adapted-half');
    rmSync(join(at('adapted-half'), 'checkpoints', 'step-00000006'), { recursive: true });
    rmSync(at('base'), { recursive: true });
    const resumed = await gpt('pretrain', '--resume', '--out', at('adapted-half'), '--no-sample', ...backend);
    expect(resumed.stderr).toBe('');
    expect(await log('adapted-half')).toEqual(steps);
  });

  it('says which settings a checkpoint to go on from already decides', async () => {
    {
      using base = GPT.create(
        { vocabSize: 4, contextLength: 16, nLayer: 1, nHead: 1, nEmbd: 4 },
        { tokenizer: CharacterTokenizer.train('abcd') },
      );
      await base.save(at('chars'));
    }
    const from = (...args: string[]) =>
      gpt(
        'pretrain',
        '--from',
        at('chars'),
        '--text',
        text,
        '--out',
        at('y'),
        '--backend',
        testBackend(),
        ...args,
      );
    expect((await from('--n-layer', '2')).stderr).toMatch(/nLayer is that of the model in .*: leave it out/);
    expect((await from('--tokenizer', 'byte')).stderr).toMatch(/leave out --tokenizer/);
    expect((await from('--space-runs', '4')).stderr).toMatch(/a byte-level BPE only/);
    expect((await from('--space-runs', '1')).status).toBe(1);
    expect(existsSync(at('y'))).toBe(false);
  });

  it('counts a published model without allocating it', async () => {
    const run = await gpt(
      'pretrain',
      '--recipe',
      'gpt3-175b',
      '--tokenizer',
      'byte',
      '--text',
      text,
      '--context-length',
      '64',
      '--dry-run',
      '--backend',
      testBackend(),
    );
    expect(run.stderr).toBe('');
    expect(run.stdout).toMatch(/96 layers, 96 heads, 12288 wide/);
    expect(run.stdout).toMatch(/parameters +17\dB/);
    expect(run.stdout).toMatch(/arithmetic per step +\d\S* [PE]FLOP/);
    expect(run.stdout).toMatch(/this machine +\d\S* [MGT]FLOP\/s/);
  });
});

describe('bad input is one sentence, a status above 0, and no file', () => {
  const refused = async (out: string, args: string[], message: RegExp) => {
    const run = await gpt('pretrain', '--out', at(out), '--backend', testBackend(), ...args);
    expect(run.stderr).toMatch(message);
    expect(run.stderr.split('\n').filter(Boolean).length).toBeLessThanOrEqual(3);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run.status).toBeGreaterThan(0);
    expect(existsSync(at(out))).toBe(false);
  };

  it('missing, empty, binary or too short text', async () => {
    await refused(
      'm1',
      ['--text', at('nowhere.txt'), '--steps', '1'],
      /nowhere\.txt does not exist: check the path/,
    );
    writeFileSync(at('empty.txt'), '');
    await refused(
      'm2',
      ['--text', at('empty.txt'), '--steps', '1'],
      /empty\.txt is empty: give a file with text/,
    );
    writeFileSync(at('binary.txt'), Buffer.from([0xff, 0xfe, 0x80]));
    await refused('m3', ['--text', at('binary.txt'), '--steps', '1'], /is not UTF-8 text/);
    writeFileSync(at('short.txt'), 'abc');
    await refused('m4', ['--text', at('short.txt'), '--steps', '1'], /a context of 256 needs at least 257/);
    await refused('m5', ['--text', folder, '--steps', '1'], /is a folder: give a file/);
    await refused('m6', ['--steps', '1'], /Give the data to train on/);
  });

  it('flags that do not exist or have no number', async () => {
    await refused('f1', ['--stepz', '3'], /unknown option '--stepz'/);
    await refused('f2', ['--steps', '1.5'], /Give a whole number/);
    await refused('f3', ['--text', text, '--context-length', '8'], /Neither steps nor tokens is given/);
    await refused('f4', ['--text', text, '--steps', '1', '--recipe', 'nope'], /There is no recipe "nope"/);
    await refused('f5', ['--text', text, '--steps', '1', '--preset', 'nope'], /There is no preset "nope"/);
    await refused('f6', ['--text', text, '--steps', '1', '--n-head', '5', '--context-length', '8'], /nHead/);
    await refused('f7', ['--text', text, '--steps', '1', '--tokenizer', 'klingon'], /no tokenizer "klingon"/);
  });

  it('a vocabulary that misses a character', async () => {
    await train('vocabulary', '--steps', '1');
    writeFileSync(at('other.txt'), verse.replaceAll('cat', 'cät'));
    await refused(
      'v1',
      [
        '--text',
        at('other.txt'),
        '--tokenizer',
        join(at('vocabulary'), 'tokenizer.json'),
        '--steps',
        '1',
        ...tiny.slice(0, 8),
      ],
      /no character "ä"/,
    );
  });

  it('a folder that cannot be written, is taken, or holds no run', async () => {
    const run = await gpt('pretrain', '--text', text, '--out', join(text, 'run'), '--steps', '1', ...tiny);
    expect(run.stderr).toMatch(/the folder cannot be written \(ENOTDIR\); choose another one/);
    expect(run.status).toBe(1);
    await train('taken', '--steps', '1');
    const again = await train('taken', '--steps', '1');
    expect(again.stderr).toMatch(/already holds a run: add --resume to go on, --overwrite to start anew/);
    expect((await train('taken', '--steps', '1', '--overwrite')).status).toBe(0);
    await refused('nothing', ['--resume'], /holds no run to resume/);
  });

  it('a checkpoint that is damaged or of another config', async () => {
    await train('damaged', '--steps', '2');
    const resume = (...args: string[]) =>
      gpt(
        'pretrain',
        '--resume',
        '--out',
        at('damaged'),
        '--steps',
        '4',
        '--backend',
        testBackend(),
        ...args,
      );
    expect((await resume('--n-embd', '32')).stderr).toMatch(/a model with nEmbd 16, not 32/);
    expect((await resume('--learning-rate', '1')).stderr).toMatch(/started with learningRate 0.003, not 1/);
    const file = join(at('damaged'), 'checkpoints', 'step-00000002', 'model.safetensors');
    writeFileSync(file, readFileSync(file).subarray(0, 100));
    const before = readFileSync(join(at('damaged'), 'metrics.jsonl'), 'utf8');
    const run = await resume();
    expect(run.stderr).toMatch(/model\.safetensors is truncated or was changed; delete this folder/);
    expect(run.status).toBe(1);
    expect(readFileSync(join(at('damaged'), 'metrics.jsonl'), 'utf8')).toBe(before);
  });

  it('shows the stack with --verbose only', async () => {
    const run = await gpt(
      'pretrain',
      '--text',
      at('nowhere.txt'),
      '--out',
      at('s'),
      '--steps',
      '1',
      '--verbose',
    );
    expect(run.stderr).toMatch(/\n\s+at /);
  });
});
