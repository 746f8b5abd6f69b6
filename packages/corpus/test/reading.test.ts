import { appendFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  expandInputs,
  FileError,
  pipeline,
  type RawRecord,
  type RecordError,
  readRecords,
} from '../src/index.js';
import { ParquetFileWriter } from '../src/parquet.js';
import { readBytes } from '../src/read/byte-stream.js';
import { formatOf } from '../src/read/input-files.js';
import { splitLines } from '../src/read/line-stream.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
let files = 0;
const write = (name: string, data: string | Uint8Array) => {
  const path = join(folder, `${files++}-${name}`);
  writeFileSync(path, data);
  return path;
};

async function records(path: string, options = {}): Promise<RawRecord[]> {
  const result: RawRecord[] = [];
  for await (const record of readRecords({ path, format: formatOf(path) }, options)) result.push(record);
  return result;
}
const texts = async (path: string, options = {}) =>
  (await records(path, options)).map(({ fields }) => fields.text);
const failure = async (path: string, options = {}): Promise<FileError> => {
  const error: unknown = await records(path, options).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(FileError);
  return error as FileError;
};
async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('lines', () => {
  it('do not depend on how bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'é', '漢', '😀', '\n', '\r\n', ''), { maxLength: 40 }),
        fc.integer({ min: 1, max: 7 }),
        async (pieces, size) => {
          const text = pieces.join('');
          const wanted = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
          if (wanted.at(-1) === '') wanted.pop();
          const found: string[] = [];
          for await (const { text: line, number } of splitLines('f', chunksOf(Buffer.from(text), size))) {
            found.push(line);
            expect(number).toBe(found.length);
          }
          expect(found).toEqual(wanted);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('over the limit are dropped as they come, with bounded memory', async () => {
    async function* endless() {
      yield Buffer.from('first\n');
      const block = Buffer.alloc(1 << 20, 'x');
      for (let i = 0; i < 1024; i++) yield block; // 1 GB, never held.
      yield Buffer.from('\nlast\n');
    }
    const before = process.memoryUsage().rss;
    const long: [number, number][] = [];
    const found: string[] = [];
    const options = {
      maxLineBytes: 1 << 22,
      onLongLine: (line: number, bytes: number) => void long.push([line, bytes]),
    };
    for await (const { text } of splitLines('f', endless(), options)) found.push(text);
    expect(found).toEqual(['first', 'last']);
    expect(long).toEqual([[2, 1 << 30]]);
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
    await expect(async () => {
      for await (const _ of splitLines('f', endless(), { maxLineBytes: 1 << 22 }));
    }).rejects.toThrow(/line 2 has \d+ bytes; the limit is 4194304/);
  });
});

describe('formats', () => {
  it('JSONL, JSON, CSV, TSV, text', async () => {
    expect(await texts(write('a.jsonl', '{"text":"one"}\n\n{"text":"two"}'))).toEqual(['one', 'two']);
    expect(await texts(write('a.json', '[{"text":"one"},{"text":"two"}]'))).toEqual(['one', 'two']);
    expect(await texts(write('a.csv', '\ufeffid,text\n1,"one, ""quoted""\nline"\n2,two\n'))).toEqual([
      'one, "quoted"\nline',
      'two',
    ]);
    expect(await records(write('b.tsv', 'a "b\tc\n'), { columns: ['text', 'other'] })).toEqual([
      { line: 1, fields: { text: 'a "b', other: 'c' } },
    ]);
    const text = write('a.txt', 'one\ntwo\n\nthree<|endoftext|>four\n');
    expect(await texts(text)).toEqual(['one\ntwo\n\nthree<|endoftext|>four\n']);
    expect(await texts(text, { separator: 'line' })).toEqual(['one', 'two', 'three<|endoftext|>four']);
    expect(await texts(text, { separator: 'blank-line' })).toEqual(['one\ntwo', 'three<|endoftext|>four']);
    expect(await texts(text, { separator: '<|endoftext|>' })).toEqual(['one\ntwo\n\nthree', 'four']);
  });

  it('Parquet, a row group at a time', async () => {
    const path = join(folder, 'many.parquet');
    const writer = await ParquetFileWriter.create<{ text: string; n: number }>(path, {
      text: 'string',
      n: 'int32',
    });
    for (let n = 0; n < 45_000; n++) await writer.write({ text: `text ${n}`, n });
    await writer.finish();
    const rows = await records(path);
    expect(rows).toHaveLength(45_000);
    expect(rows[44_999]).toEqual({ line: 45_000, fields: { text: 'text 44999', n: 44_999 } });
  });

  it('gzip and zstd by their content, whatever the name', async () => {
    expect(await texts(write('a.jsonl', gzipSync('{"text":"zipped"}')))).toEqual(['zipped']);
    const two = Buffer.concat([gzipSync('{"text":"one"}\n'), gzipSync('{"text":"two"}\n')]);
    expect(await texts(write('a.jsonl.gz', two))).toEqual(['one', 'two']);
    // 20,000 lines by the zstd command line (level 19, with checksum).
    const frame = readFileSync(join(import.meta.dirname, 'fixtures', 'lines.jsonl.zst'));
    const wanted = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${(i * i * 7919) % 10_007}`);
    expect(await texts(write('b.jsonl', frame))).toEqual(wanted);
    const cut = await failure(write('c.jsonl.zst', frame.subarray(0, frame.length - 1000)));
    expect(cut.problem).toBe('truncated');
    expect(await texts(write('d.jsonl.zst', Buffer.concat([frame, frame])))).toEqual([...wanted, ...wanted]);
  });

  it('UTF-16 by its mark and other encodings by name', async () => {
    expect(await texts(write('a.txt', Buffer.from('\ufeffgrün', 'utf16le')))).toEqual(['grün']);
    const latin = write('b.txt', Buffer.from('grün', 'latin1'));
    expect(await texts(latin, { encoding: 'windows-1252' })).toEqual(['grün']);
    expect((await failure(latin)).message).toMatch(/not valid UTF-8; give the file's 'encoding'/);
    await expect(records(latin, { encoding: 'klingon' })).rejects.toThrow(ConfigError);
    expect(
      (await failure(write('c.txt', Buffer.from([0x61, 0xfd])), { encoding: 'shift_jis' })).problem,
    ).toBe('encoding');
  });
});

describe('bad input', () => {
  it('binary files', async () => {
    const error = await failure(write('a.txt', Buffer.from([80, 75, 3, 4, 0, 0, 1])));
    expect(error.problem).toBe('binary');
    expect((await failure(write('b.jsonl', Buffer.alloc(100, 3)))).problem).toBe('binary');
  });

  it('broken and cut-off compression', async () => {
    const zipped = gzipSync(Buffer.from('{"text":"x"}\n'.repeat(5000) + Math.random()));
    for (const bytes of [zipped.subarray(0, zipped.length - 9), zipped.subarray(0, 40)]) {
      const error = await failure(write('a.jsonl.gz', bytes));
      expect(error.problem).toBe('truncated');
      expect(error.message).toMatch(/its gzip stream is broken or cut off; nothing of it is used/);
    }
    const flipped = Buffer.from(zipped);
    flipped[flipped.length - 6]! ^= 0xff; // The checksum.
    expect((await failure(write('b.jsonl.gz', flipped))).problem).toBe('truncated');
    expect((await failure(write('c.parquet', 'PAR1 is only the beginning'))).problem).toBe('corrupt');
  });

  it('wrong encoding in one line, by its number', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"text":"a"}\n'.repeat(4)),
      Buffer.from([0x7b, 0xff, 0x7d, 10]),
    ]);
    expect((await failure(write('a.jsonl', bytes))).message).toMatch(/line 5 is not valid UTF-8/);
  });

  it('a file that changes while it is read', async () => {
    const path = write('a.jsonl', '{"text":"x"}\n'.repeat(50_000));
    const reader = readRecords({ path, format: 'jsonl' })[Symbol.asyncIterator]();
    await reader.next();
    appendFileSync(path, '{"text":"late"}\n');
    const error: unknown = await (async () => {
      while (!(await reader.next()).done);
    })().catch((thrown) => thrown);
    expect((error as FileError).problem).toBe('changed');

    const shrinking = write('b.txt', 'x'.repeat(1 << 20));
    const bytes = readBytes(shrinking);
    await bytes.next();
    truncateSync(shrinking, 10);
    await expect(async () => {
      for await (const _ of bytes);
    }).rejects.toThrow(/changed while it was read/);
  });

  it('bad records, each with its line, skipped or thrown', async () => {
    const path = write('a.jsonl', '{"text":"ok"}\nnot json\n[1]\n{"text":"ok too"}\n');
    await expect(records(path)).rejects.toThrow(/:2: is not valid JSON: not json/);
    const bad: RecordError[] = [];
    const found = await texts(path, { onBadRecord: (error: RecordError) => bad.push(error) });
    expect(found).toEqual(['ok', 'ok too']);
    expect(bad.map(({ line, message }) => [line, message.split(': ').at(-1)])).toEqual([
      [2, 'not json'],
      [3, 'must be a JSON object, received an array'],
    ]);
    const long = write('b.jsonl', `{"text":"${'x'.repeat(5000)}"}\n{"text":"short"}\n`);
    const skipped: RecordError[] = [];
    expect(
      await texts(long, { maxRecordBytes: 1000, onBadRecord: (error: RecordError) => skipped.push(error) }),
    ).toEqual(['short']);
    expect(skipped[0]!.message).toMatch(/:1: has \d+ bytes; the limit is 1000/);
  });

  it('documents that exceed the limit, with the way out', async () => {
    expect((await failure(write('a.txt', 'x'.repeat(2000)), { maxRecordBytes: 1000 })).message).toMatch(
      /set a 'separator'/,
    );
  });

  it('paths that are not there', async () => {
    await expect(expandInputs(join(folder, 'absent.txt'))).rejects.toThrow(/does not exist; check the path/);
    await expect(expandInputs(join(folder, '*.absent'))).rejects.toThrow(ConfigError);
    mkdirSync(join(folder, 'empty'));
    await expect(expandInputs(join(folder, 'empty'))).rejects.toThrow(/holds no files/);
  });

  it('in a pipeline: reported per file, never half-read, or a failure', async () => {
    const good = write('good.jsonl', `${JSON.stringify({ id: 'a', text: 'Good text that stays.' })}\n`);
    const zipped = gzipSync(
      Array.from({ length: 3000 }, (_, i) => `{"text":"cut ${i} ${i * i}"}`).join('\n'),
    );
    const cut = write('cut.jsonl.gz', zipped.subarray(0, zipped.length - 20));
    const binary = write('binary.txt', Buffer.from([1, 0, 2, 0]));
    const mixed = write(
      'mixed.jsonl',
      '{"id":"a","text":"Mixed but good."}\n{"body":7}\n{"id":"a","text":"Same id."}\n',
    );
    const config = {
      output: join(folder, 'out'),
      sources: [{ name: 's', files: [good, cut, binary, mixed] }],
      errors: { file: 'skip' as const },
    };
    const manifest = await pipeline(config);
    const byName = Object.fromEntries(manifest.files.map((file) => [file.name.replace(/^.*\d+-/, ''), file]));
    expect(byName['good.jsonl']).toMatchObject({ status: 'read', documents: 1 });
    expect(byName['cut.jsonl.gz']).toMatchObject({ status: 'skipped', problem: 'truncated', documents: 0 });
    expect(byName['binary.txt']).toMatchObject({ status: 'skipped', problem: 'binary', documents: 0 });
    expect(byName['mixed.jsonl']).toMatchObject({ status: 'read', records: 3, documents: 2 });
    expect(manifest.sources[0]!.documents).toBe(3);
    expect(manifest.drops['bad-record']).toMatchObject({ count: 1 });
    expect(manifest.drops['bad-record']!.samples[0]!.detail).toMatch(
      /mixed\.jsonl:2: text: must be a string; the record has body/,
    );
    expect(manifest.deduplication!.duplicateIds).toEqual({ count: 2, samples: ['s/a', 's/a'] });

    await expect(pipeline({ ...config, errors: {} })).rejects.toThrow(/cut off|binary/);
    await expect(pipeline({ ...config, errors: { file: 'skip', record: 'fail' } })).rejects.toThrow(
      /mixed\.jsonl:2/,
    );
    await expect(pipeline({ ...config, errors: { file: 'skip', duplicateIds: 'fail' } })).rejects.toThrow(
      /the id s\/a/,
    );
    const dropped = await pipeline({ ...config, errors: { file: 'skip', duplicateIds: 'drop' } });
    expect(dropped.sources[0]!.documents).toBe(1);
  });
});
