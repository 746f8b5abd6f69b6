import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Manifest, pipeline, TokenShardReader } from '../src/index.js';
import { readParquet } from '../src/parquet.js';
import { stageNames } from '../src/pipeline/task.js';
import { startChild } from './support/run-child.js';
import { snapshot } from './support/snapshot.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { testBase, testConfig } from './support/test-corpus.js';

const folder = temporaryFolder();
const reference = join(folder, 'reference');
let manifest: Manifest;
let wanted: Record<string, string>;

beforeAll(async () => {
  manifest = await pipeline(testConfig(reference), { baseDirectory: testBase });
  wanted = snapshot(reference);
});

/** The text that a shard stands for. */
function* documentsOf(
  file: string,
): Generator<{ text: string; source: string; continues: boolean; ends: boolean }> {
  using reader = new TokenShardReader(join(reference, file), { verify: true });
  for (const { index, source, continues } of reader.documents()) {
    const tokenIds = [...reader.readDocument(index)];
    const ends = tokenIds.at(-1) === reader.endOfText;
    const text = Buffer.from(ends ? tokenIds.slice(0, -1) : tokenIds).toString('utf8');
    yield { text, source, continues, ends };
  }
}

describe('pipeline, on real text', () => {
  it('writes what the manifest says', () => {
    expect(Object.keys(wanted)).toEqual(
      [
        'evaluation/wiki-questions.clean.jsonl',
        'evaluation/wiki-questions.dirty.jsonl',
        'manifest.json',
        ...manifest.shards.map(({ file }) => file),
      ].sort(),
    );
    expect(JSON.parse(readFileSync(join(reference, 'manifest.json'), 'utf8'))).toEqual(manifest);
    using train = new TokenShardReader(
      manifest.shards.filter(({ file }) => file.startsWith('train')).map(({ file }) => join(reference, file)),
    );
    expect(train.tokenCount).toBe(manifest.mixture.train.reduce((sum, { tokens }) => sum + tokens, 0));
    expect(train.sources).toEqual(['books', 'zh', 'web', 'wiki', 'code']);
    expect(manifest.files).toHaveLength(8);
    for (const { sha256, status } of manifest.files) {
      expect(status).toBe('read');
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it('mixes by the weights, and reports epochs as a recount of the shards finds them', () => {
    const counted = new Map<string, number>();
    for (const { file } of manifest.shards.filter(({ file }) => file.startsWith('train'))) {
      using reader = new TokenShardReader(join(reference, file));
      for (const { source, length } of reader.documents())
        counted.set(source, (counted.get(source) ?? 0) + length);
    }
    const total = [...counted.values()].reduce((sum, tokens) => sum + tokens, 0);
    const weights = { books: 2, zh: 2, web: 3, wiki: 2, code: 1 } as Record<string, number>;
    expect(total).toBeGreaterThan(1_000_000);
    for (const { name, epochs, share, tokens, validationTokens } of manifest.sources) {
      expect(Math.abs(counted.get(name)! / total - weights[name]! / 10)).toBeLessThan(0.005);
      expect(counted.get(name)! / total).toBeCloseTo(share, 9);
      expect(epochs).toBeCloseTo(counted.get(name)! / (tokens - validationTokens), 9);
    }
  });

  it('keeps the proportions all along, not only in sum', () => {
    using reader = new TokenShardReader(join(reference, 'train-00000.tokens'));
    const tokens = { books: 0, zh: 0, web: 0, wiki: 0, code: 0 } as Record<string, number>;
    for (const { source, length } of reader.documents()) tokens[source]! += length;
    expect(Math.abs(tokens.web! / reader.tokenCount - 0.3)).toBeLessThan(0.02);
  });

  it('gives back the documents of the clean stage, whole and in pieces', async () => {
    const clean = new Map<string, string>();
    const stage = join(reference, 'work', 'clean');
    for (const name of readdirSync(stage).filter((each) => each.endsWith('.parquet'))) {
      for await (const { id, text } of readParquet(join(stage, name)))
        clean.set(text as string, id as string);
    }
    let whole = 0;
    for (const { file } of manifest.shards.filter(({ file }) => file.startsWith('train'))) {
      for (const { text, continues, ends } of documentsOf(file)) {
        if (continues || !ends) continue;
        expect(clean.has(text)).toBe(true);
        whole++;
      }
    }
    expect(whole).toBeGreaterThan(500);
  });

  it('keeps validation documents out of training', () => {
    const validation = new Set([...documentsOf('validation-00000.tokens')].map(({ text }) => text));
    expect(validation.size).toBeGreaterThan(5);
    for (const { file } of manifest.shards.filter(({ file }) => file.startsWith('train'))) {
      for (const { text } of documentsOf(file)) expect(validation.has(text)).toBe(false);
    }
  });

  it('explains every document that went', () => {
    expect(Object.keys(manifest.drops)).toEqual(
      expect.arrayContaining([
        'classifier',
        'duplicate/exact',
        'duplicate/fuzzy',
        'quality/duplicate-5-grams',
      ]),
    );
    for (const { records, documents, drops } of manifest.sources) {
      const dropped = Object.values(drops).reduce((sum, { count }) => sum + count, 0);
      // Decontamination may cut one document into several.
      expect(documents + dropped).toBeGreaterThanOrEqual(records);
    }
    expect(manifest.drops['duplicate/exact']!.samples[0]).toMatchObject({
      detail: expect.stringMatching(/similarity 1/),
    });
    expect(manifest.pii.email).toBeGreaterThan(0);
    expect(manifest.diversity.languages.zh).toBeGreaterThan(600);
    expect(manifest.diversity.effectiveLanguages).toBeGreaterThan(1.2);
    expect(manifest.deduplication!.removedParts.count).toBeGreaterThan(0);
  });

  it('does nothing twice, and only what a change asks for', async () => {
    const events: string[] = [];
    const run = pipeline(
      { ...testConfig(reference), mix: { tokens: 1_200_000 } },
      { baseDirectory: testBase },
    );
    for await (const event of run) if (event.type === 'task') events.push(event.stage);
    expect(new Set(events)).toEqual(new Set(['plan', 'shard']));
    expect((await run).sources.reduce((sum, { trainTokens }) => sum + trainTokens, 0)).toBe(1_200_000);
    // And back: the shards are those of before again.
    expect((await pipeline(testConfig(reference), { baseDirectory: testBase })).fingerprint).toBe(
      manifest.fingerprint,
    );
    expect(snapshot(reference)).toEqual(wanted);
  });

  it('writes the same bytes with two workers', async () => {
    const output = join(folder, 'two-workers');
    const configPath = join(folder, 'two-workers.json');
    writeFileSync(configPath, JSON.stringify({ ...testConfig(output), baseDirectory: testBase }));
    expect(await startChild('pipeline-child', [configPath, '2']).ended).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(snapshot(output)).toEqual(wanted);
  });

  it('writes other shards for another seed', async () => {
    const other = await pipeline(
      { ...testConfig(join(folder, 'other')), seed: 8 },
      { baseDirectory: testBase },
    );
    expect(other.shards.map(({ checksum }) => checksum)).not.toEqual(
      manifest.shards.map(({ checksum }) => checksum),
    );
  });

  it('goes on after kill -9 in every stage, to the same bytes', async () => {
    const output = join(folder, 'killed');
    const configPath = join(folder, 'killed.json');
    writeFileSync(configPath, JSON.stringify({ ...testConfig(output), baseDirectory: testBase }));
    let killed = 0;
    for (const [i, stage] of stageNames.entries()) {
      const workers = i % 2 === 0 ? '1' : '2';
      const { signal, code, stderr } = await startChild('pipeline-child', [configPath, workers, stage]).ended;
      if (signal === 'SIGKILL') killed++;
      else expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
    expect(killed).toBeGreaterThanOrEqual(stageNames.length - 3);
    const last = await startChild('pipeline-child', [configPath, '1']).ended;
    expect(last).toMatchObject({ code: 0, stderr: '' });
    expect(snapshot(output)).toEqual(wanted);
  });

  it('stops when aborted, and goes on later', async () => {
    const output = join(folder, 'aborted');
    const controller = new AbortController();
    const run = pipeline(testConfig(output), { baseDirectory: testBase, signal: controller.signal });
    await expect(
      (async () => {
        for await (const event of run)
          if (event.type === 'task' && event.stage === 'exact') controller.abort();
      })(),
    ).rejects.toThrow(/abort/i);
    await pipeline(testConfig(output), { baseDirectory: testBase });
    expect(snapshot(output)).toEqual(wanted);
  });
});
