import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { TokenShardReader } from '../src/index.js';
import { fixtures } from './support/fixtures.js';
import { startChild } from './support/run-child.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
const cli = async (...args: string[]) => startChild('cli', args, folder).ended;
const lines = (name: string) =>
  readFileSync(join(folder, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

beforeAll(() => {
  const text =
    'It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness.';
  const records = [
    { id: 'a', text },
    { id: 'b', text },
    { id: 'c', text: `${text} And more.` },
    { id: 'd', text: 'Something else altogether, with other words in it.' },
  ];
  writeFileSync(join(folder, 'in.jsonl'), records.map((record) => JSON.stringify(record)).join('\n'));
  writeFileSync(
    join(folder, 'corpus.yaml'),
    [
      'seed: 3',
      'output: built',
      'sources:',
      '  - { name: all, files: in.jsonl }',
      `  - { name: wiki, files: ${join(fixtures, 'wiki.jsonl.gz')} }`,
      'shards: { tokens: 100000 }',
    ].join('\n'),
  );
});

describe('gpt-corpus', () => {
  it('builds a configuration, says what it does, and does it once', async () => {
    const first = await cli('build', 'corpus.yaml');
    expect(first).toMatchObject({ code: 0 });
    expect(first.stderr).toMatch(/ingest: 2 tasks\ningest: finished in /);
    expect(first.stdout).toMatch(/source +records +filtered +documents +tokens/);
    expect(first.stdout).toMatch(/all +4 +4 +2 /);
    expect(first.stdout).toMatch(/duplicate\/exact +1/);
    expect(existsSync(join(folder, 'built', 'manifest.json'))).toBe(true);
    const second = await cli('build', 'corpus.yaml', '--jsonl');
    const events = second.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.filter(({ type }) => type === 'task')).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: 'done' });
    expect((await cli('verify', 'built')).stdout).toMatch(/as written/);
    expect((await cli('inspect', 'built/train-00000.tokens')).stdout).toMatch(
      /uint16 +utf-8-bytes\/1 +all, wiki/,
    );
  });

  it('deduplicates files', async () => {
    const { stdout } = await cli(
      'dedup',
      'in.jsonl',
      '-o',
      'unique.jsonl',
      '--dropped',
      'gone.jsonl',
      '--threshold',
      '0.7',
    );
    expect(stdout).toBe('4 documents: 2 stay, 1 exact and 1 near-duplicates in 1 clusters went\n');
    expect(lines('unique.jsonl').map(({ id }) => id)).toEqual(['c', 'd']);
    expect(lines('gone.jsonl')).toMatchObject([
      { id: 'a', duplicateOf: 'c', kind: 'fuzzy' },
      { id: 'b', duplicateOf: 'c', kind: 'exact' },
    ]);
  });

  it('shards, exports and imports', async () => {
    expect((await cli('shard', 'in.jsonl', '-o', 'shards', '--bytes')).stdout).toMatch(
      /^1 shards, \d+ tokens/,
    );
    expect(await cli('export', 'shards', '-o', 'train.bin')).toMatchObject({ code: 0 });
    const flags = ['--vocab-size', '257', '--end-of-text', '256'];
    expect((await cli('import', 'train.bin', '-o', 'back.tokens', ...flags)).stdout).toMatch(
      / tokens in 4 documents/,
    );
    using before = new TokenShardReader(join(folder, 'shards'));
    using after = new TokenShardReader(join(folder, 'back.tokens'));
    expect(after.read(0, after.tokenCount)).toEqual(before.read(0, before.tokenCount));
    expect(after.documentOffsets).toEqual(before.documentOffsets);
  });

  it('decontaminates', async () => {
    const [leak] = lines('in.jsonl');
    writeFileSync(join(folder, 'eval.jsonl'), `${JSON.stringify({ question: leak.text })}\n`);
    const { stdout } = await cli(
      'decontaminate',
      'in.jsonl',
      '--against',
      'eval.jsonl',
      '-o',
      'decontaminated.jsonl',
    );
    expect(stdout).toMatch(/^4 documents: 3 overlapped, 3 of them dropped/);
    expect(lines('decontaminated.jsonl').map(({ id }) => id)).toEqual(['d']);
  });

  it('trains and applies a classifier', async () => {
    const wiki = join(fixtures, 'wiki.jsonl.gz');
    const code = join(fixtures, 'code.jsonl.gz');
    const { stdout } = await cli(
      'classifier',
      '--positive',
      wiki,
      '--negative',
      code,
      '-m',
      'model',
      '--score',
      'in.jsonl',
    );
    const scores = stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line));
    expect(scores.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd']);
    expect(scores[0].score).toBeGreaterThan(0.5);
  });

  it('validates records with file and line', async () => {
    writeFileSync(
      join(folder, 'preferences.jsonl'),
      '{"chosen":"a","rejected":"b"}\n{"chosen":"a","rejected":"a"}\n',
    );
    const { code, stdout, stderr } = await cli('validate', 'preferences.jsonl');
    expect(code).toBe(1);
    expect(stdout).toBe('1 valid records (preference), 1 invalid\n');
    expect(stderr).toMatch(/preferences\.jsonl:2: rejected: chosen and rejected are the same/);
  });

  it('inspects documents', async () => {
    const report = JSON.parse((await cli('inspect', join(fixtures, 'zh.jsonl.gz'))).stdout);
    expect(report.languages.zh / report.documents).toBeGreaterThan(0.95);
  });

  it('answers SQL where DuckDB is installed', async ({ skip }) => {
    const hasDuckdb = await import('@duckdb/node-api').then(
      () => true,
      () => false,
    );
    skip(!hasDuckdb, 'SQL inspection needs @duckdb/node-api');
    const clean = join(folder, 'built', 'work', 'clean', '000000.parquet');
    const sql = 'SELECT count(*) AS documents, min(length(text)) AS shortest FROM documents';
    expect((await cli('inspect', clean, '--sql', sql)).stdout).toMatch(/documents +shortest\n +2 +50/);
    const wrong = await cli('inspect', clean, '--sql', 'SELECT nothing FROM documents');
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing') });
  });

  it('says what is wrong', async () => {
    writeFileSync(
      join(folder, 'bad.yaml'),
      'sources: [{ name: x, files: in.jsonl, wieght: 3 }]\noutput: o\n',
    );
    expect(await cli('build', 'bad.yaml')).toMatchObject({
      code: 1,
      stderr: "ConfigError: sources.0: unknown key 'wieght'\n",
    });
    expect((await cli('build', 'absent.yaml')).stderr).toMatch(/absent\.yaml cannot be read/);
    expect((await cli('shard', 'in.jsonl', '-o', 'x')).stderr).toMatch(/give one of --encoding/);
    expect((await cli('nothing')).code).toBe(1);
  });
});
