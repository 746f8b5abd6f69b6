import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/program.js';
import { CharacterTokenizer, GPT } from '../../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-cli-'));
const model = join(folder, 'model');
beforeAll(async () => {
  await tf.setBackend('cpu');
  const tokenizer = CharacterTokenizer.train('hello world\n"{}:[]0123');
  const gpt = GPT.create(
    { vocabSize: tokenizer.vocabSize, contextLength: 32, nLayer: 1, nHead: 2, nEmbd: 8 },
    { tokenizer, seed: 1 },
  );
  await gpt.save(model);
  gpt.dispose();
  writeFileSync(join(folder, 'text.txt'), 'hello world\nhello hello\n'.repeat(4));
  writeFileSync(
    join(folder, 'schema.json'),
    JSON.stringify({ type: 'array', items: { type: 'integer' }, maxItems: 1 }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command and catches what it prints. */
async function gpt(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const [stdout, stderr] = [process.stdout.write, process.stderr.write];
  let [out, err] = ['', ''];
  process.stdout.write = ((text: string) => {
    out += text;
    return true;
  }) as typeof stdout;
  process.stderr.write = ((text: string) => {
    err += text;
    return true;
  }) as typeof stderr;
  try {
    return { status: await runCli(args), out, err };
  } finally {
    process.stdout.write = stdout;
    process.stderr.write = stderr;
  }
}

describe('gpt generate', () => {
  it('streams the text that --json reports', async () => {
    const common = ['generate', model, '-p', 'hello', '-n', '12', '-s', '3', '--backend', 'cpu'];
    const plain = await gpt(...common);
    expect(plain.status).toBe(0);
    const json = await gpt(...common, '--json', '--logprobs', '2');
    const { choices } = JSON.parse(json.out) as { choices: { text: string; topLogProbs: unknown[][] }[] };
    expect(plain.out).toBe(`hello${choices[0]!.text}\n`);
    expect(choices[0]!.topLogProbs[0]).toHaveLength(2);
  });

  it('keeps to a JSON schema', async () => {
    const { out } = await gpt(
      'generate',
      model,
      '-p',
      'h',
      '--json-schema',
      join(folder, 'schema.json'),
      '--json',
      '-n',
      '25',
      '--backend',
      'cpu',
    );
    const { choices } = JSON.parse(out) as { choices: { text: string; finishReason: string }[] };
    expect(choices[0]!.text).toMatch(/^\[/);
    if (choices[0]!.finishReason === 'stop') expect(Array.isArray(JSON.parse(choices[0]!.text))).toBe(true);
  });

  it.each([
    [['generate', '/no/such/folder'], /no such folder/],
    [['generate', model, '-p', 'xyz'], /no character "x"/],
    [['generate', model, '-t', 'warm'], /warm is not a number/],
    [['generate', model, '--top-p', '2'], /"topP" is 2/],
    [['generate', model, '--colour'], /unknown option/],
    [['score', model], /give either --completion or --file/],
    [['info', 'gpt9'], /neither a folder nor a preset/],
    [['convert', model, 'x', '--to', 'coreml'], /Allowed choices/],
  ])('%j says what is wrong, in one line', async (args, message) => {
    const { status, err } = await gpt(...args);
    expect(status).not.toBe(0);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/\n\s+at /);
  });
});

describe('gpt score, info, convert', () => {
  it('score completions and files', async () => {
    const scored = await gpt(
      'score',
      model,
      '-p',
      'hello',
      '-c',
      ' world',
      ' hello',
      '--json',
      '--backend',
      'cpu',
    );
    const rows = JSON.parse(scored.out) as { completion: string; logLikelihood: number }[];
    expect(rows.map(({ completion }) => completion)).toEqual([' world', ' hello']);
    expect(rows[0]!.logLikelihood).toBeLessThan(0);
    const file = await gpt('score', model, '-f', join(folder, 'text.txt'), '--json', '--backend', 'cpu');
    const result = JSON.parse(file.out) as { tokens: number; perplexity: number; bitsPerByte: number };
    expect(result.tokens).toBe(96);
    expect(result.perplexity).toBeCloseTo(2 ** result.bitsPerByte, 6); // one byte for each character here
  });

  it('describe without loading', async () => {
    const { out } = await gpt('info', 'gpt3-175b');
    expect(out).toMatch(/parameters +174,604,259,328/);
    const json = JSON.parse((await gpt('info', model, '--json')).out) as { parameters: number };
    expect(json.parameters).toBeGreaterThan(1000);
    expect((await gpt('info')).out).toMatch(/^gpt2-xl$/m);
  });

  it('writes GGUF and sharded folders', async () => {
    const file = join(folder, 'model.gguf');
    expect((await gpt('convert', model, file, '--to', 'gguf', '--backend', 'cpu')).status).toBe(0);
    expect(existsSync(file)).toBe(true);
    const shards = join(folder, 'shards');
    const { out } = await gpt('export', model, shards, '--shard-bytes', '1000', '--json', '--backend', 'cpu');
    expect(JSON.parse(out)).toMatchObject({ format: 'huggingface' });
    expect(existsSync(join(shards, 'model.safetensors.index.json'))).toBe(true);
    using loaded = await GPT.load(shards);
    expect(loaded.config.nEmbd).toBe(8);
  });
});
