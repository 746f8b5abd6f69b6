// Readers of data: documents in every format, token shards, preference records, configurations, tasks.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  deduplicate,
  readRecords,
  readTrainingRecords,
  resolveConfig,
  TokenShardReader,
  TokenShardWriter,
} from '@gpt-lineage/corpus';
import { loadTaskFile, parseContaminationReport } from '@gpt-lineage/eval';
import { parseJsonlTexts } from '@gpt-lineage/gpt-core';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { parse } from 'yaml';
import { fileReader, textReader, valueReader } from './variants.mjs';

const drain = async (records) => {
  for await (const _ of records);
};

const jsonl = ['{"id":"a","text":"one two three"}', '{"id":"b","text":"four five"}', ''].join('\n');
const preferences =
  '{"prompt":"p","chosen":"good","rejected":"bad"}\n{"prompt":"q","chosen":"a","rejected":"b"}\n';
const pipelineConfig =
  'output: out\nseed: 1\nsources:\n  - name: a\n    files: [data.jsonl]\n    weight: 2\ntokenizer:\n  encoding: gpt2\n';
const task = `name: capitals
kind: multiple-choice
prompt: 'The capital of {{ country }} is'
choices: [Paris, Rome]
target: 0
data:
  files: { test: capitals.jsonl }
`;
const contamination = JSON.stringify({
  format: 'gpt-lineage.contamination/1',
  corpus: { files: ['a.jsonl'], documents: 2 },
  tasks: { capitals: { n: 13, clean: [0, 2], dirty: [1], tooShort: [] } },
});

export async function recordReaders(folder) {
  const path = (name) => join(folder, name);
  const shard = new TokenShardWriter(path('good.tokens'), { vocabSize: 100, sources: ['a'], tokenizer: 'f' });
  shard.append([1, 2, 3, 4]);
  shard.append([5, 6, 7], { end: 0 });
  await shard.finish();

  const documents = (name, good) =>
    fileReader(path(`hostile.${name}`), Buffer.from(good), (at) => drain(readRecords(at)));
  const parquet = parquetWriteBuffer({
    columnData: [
      { name: 'id', data: ['a', 'b'], type: 'STRING' },
      { name: 'text', data: ['one two three', 'four five'], type: 'STRING' },
    ],
  });
  return {
    'token shard': fileReader(path('hostile.tokens'), readFileSync(path('good.tokens')), (at) => {
      const reader = TokenShardReader.open(at);
      try {
        reader.read(0, Math.min(4, reader.tokenCount));
      } finally {
        reader[Symbol.dispose]?.();
      }
    }),
    text: documents('txt', 'one two three\n\nfour five\n'),
    JSONL: documents('jsonl', jsonl),
    JSON: documents('json', '[{"id":"a","text":"one"},{"id":"b","text":"two"}]'),
    CSV: documents('csv', 'id,text\n1,"one, two"\n2,three\n'),
    TSV: documents('tsv', 'id\ttext\n1\tone, two\n2\tthree\n'),
    gzip: documents('jsonl.gz', gzipSync(jsonl)),
    Zstandard: documents('jsonl.zst', zstandard(Buffer.from(jsonl))),
    Parquet: documents('parquet', new Uint8Array(parquet)),
    'JSONL for training': textReader(jsonl, (text) => parseJsonlTexts(text, 'hostile.jsonl')),
    'preference records': fileReader(path('pairs.jsonl'), Buffer.from(preferences), (at) =>
      drain(readTrainingRecords(at)),
    ),
    'corpus config': valueReader(
      pipelineConfig,
      (text) => parse(text, { maxAliasCount: 10, logLevel: 'error' }),
      resolveConfig,
    ),
    'evaluation task': fileReader(path('task.yaml'), Buffer.from(task), (at) => loadTaskFile(at)),
    'contamination report': textReader(contamination, (text) =>
      parseContaminationReport(text, 'report.json'),
    ),
    'documents with any text': textReader('one two three four five six seven eight nine', (text) =>
      deduplicate([
        { id: 'a', text },
        { id: 'b', text: `${text} ten` },
      ]),
    ),
  };
}

/** A Zstandard frame with one block that is stored as it is; at most 255 bytes. */
function zstandard(bytes) {
  const block = (bytes.length << 3) | 1;
  return Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes.length]),
    Buffer.from([block & 255, (block >> 8) & 255, block >> 16]),
    bytes,
  ]);
}
