import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenShardWriter } from '@gpt-lineage/corpus';
import { afterAll, expect, it } from 'vitest';
import { arrayStore, type TokenBatch, windowSource } from '../../src/index.js';
import { shardSource } from '../../src/node/index.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-core-shards-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('windows over token shards equal windows over the same tokens in memory', () => {
  const documents = Array.from({ length: 30 }, (_, i) => Array.from({ length: 5 + (i % 7) }, (_, j) => (i * 3 + j) % 90));
  const path = join(folder, 'part.tokens');
  const writer = new TokenShardWriter(path, { vocabSize: 100, fingerprint: 'test:1', endOfText: 99 });
  for (const document of documents) writer.append(document, { end: 99 });
  writer.finish();
  const tokens = documents.flatMap((document) => [...document, 99]);
  const cut = Math.floor(tokens.length * 0.8);
  const options = { contextLength: 16, seed: 3 };
  const { train, validation, reader } = shardSource(path, { ...options, validationFraction: 0.2 });
  expect(train).toMatchObject({ vocabSize: 100, tokenizerFingerprint: 'test:1' });
  const memory = windowSource(arrayStore(tokens.slice(0, cut)), { ...options, documentEnd: 99 });
  for (let i = 0; i < 4; i++) expect(train.next(5)).toEqual(memory.next(5));
  const [held] = [...(validation!.batches(1) as Iterable<TokenBatch>)];
  expect([...held!.tokenIds]).toEqual(tokens.slice(cut, cut + 16));
  reader.close();
});

it('refuses shards that are too small or missing', () => {
  const path = join(folder, 'small.tokens');
  const writer = new TokenShardWriter(path, { vocabSize: 10 });
  writer.append([1, 2, 3], {});
  writer.finish();
  expect(() => shardSource(path, { contextLength: 16 })).toThrow(/a context of 16 needs at least 17/);
  expect(() => shardSource(join(folder, 'nowhere'), { contextLength: 16 })).toThrow();
});
