import type { PipelineConfig } from '../../src/index.js';
import { fixtures } from './fixtures.js';

/** Every fixture source (3.3 MB of text), every stage switched on. */
export function testConfig(output: string): PipelineConfig {
  return {
    seed: 7,
    output,
    sources: [
      { name: 'books', files: 'books/*.gz', quality: 'prose', weight: 2 },
      { name: 'zh', files: ['zh.jsonl.gz', 'books-zh'], weight: 2, classify: false },
      { name: 'web', files: 'web.jsonl.gz', quality: 'web', weight: 3 },
      { name: 'wiki', files: 'wiki.jsonl.gz', weight: 2, classify: false },
      { name: 'code', files: 'code.jsonl.gz', kind: 'code', quality: 'code', weight: 1, classify: false },
    ],
    classifier: { positive: ['wiki.jsonl.gz'], negative: ['web.jsonl.gz'], alpha: 3 },
    pii: true,
    deduplicate: { parts: 'paragraph', fuzzy: { threshold: 0.7 } },
    decontaminate: { sets: [{ name: 'wiki-questions', files: 'parallel.tsv.gz' }], n: 8 },
    shards: { tokens: 400_000, validation: 0.02 },
  };
}

/** Where the paths of {@link testConfig} start. */
export const testBase = fixtures;
