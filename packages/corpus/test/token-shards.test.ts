import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  exportTokenBin,
  importTokenBin,
  packDocuments,
  RangeOutsideError,
  ShardError,
  TokenShardReader,
  TokenShardWriter,
} from '../src/index.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();
let files = 0;
const fresh = () => join(folder, `${files++}.tokens`);

function write(documents: readonly (readonly number[])[], vocabSize = 300): string {
  const path = fresh();
  const writer = new TokenShardWriter(path, { vocabSize, fingerprint: 'f1', endOfText: 256 });
  for (const document of documents) writer.append(document);
  writer.finish();
  return path;
}

const someDocuments = fc.array(fc.array(fc.nat(299), { maxLength: 20 }), { minLength: 1, maxLength: 20 });

describe('token shards', () => {
  it('give back every range of what was written, over several files', () => {
    fc.assert(
      fc.property(
        fc.array(someDocuments, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        fc.nat(),
        (parts, a, b) => {
          using reader = new TokenShardReader(parts.map((documents) => write(documents)));
          const all = parts.flat(2);
          expect(reader.tokenCount).toBe(all.length);
          expect(reader.documentCount).toBe(parts.flat(1).length);
          const from = a % (all.length + 1);
          const to = from + (b % (all.length - from + 1));
          expect([...reader.read(from, to - from)]).toEqual(all.slice(from, to));
          const own = new Uint16Array(to - from).fill(9);
          reader.readInto(own, from);
          expect([...own]).toEqual(all.slice(from, to));
          const documents = [...reader.documents()].map(({ index }) => [...reader.readDocument(index)]);
          expect(documents).toEqual(parts.flat(1));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('mark segments and positions as a plain count over the documents does', () => {
    fc.assert(
      fc.property(someDocuments, fc.nat(), fc.nat(), (documents, a, b) => {
        using reader = new TokenShardReader(write(documents));
        const owner = documents.flatMap((document, i) => document.map(() => i));
        const offset = a % (owner.length + 1);
        const length = b % (owner.length - offset + 1);
        const window = reader.readPacked(offset, length);
        const owners = owner.slice(offset, offset + length);
        const distinct = [...new Set(owners)];
        expect([...window.segmentIds]).toEqual(owners.map((each) => distinct.indexOf(each)));
        expect([...window.positions]).toEqual(owners.map((each, i) => i - owners.indexOf(each)));
      }),
      { numRuns: 60 },
    );
  });

  it('find the document of a token, its source and whether it continues', () => {
    const path = fresh();
    const writer = new TokenShardWriter(path, { vocabSize: 70_000, sources: ['books', 'web'] });
    writer.append([1, 2, 69_999]);
    writer.append([4], { source: 1 });
    writer.append([5, 6], { source: 1, continues: true });
    writer.finish();
    using reader = new TokenShardReader(path);
    expect(reader.dtype).toBe('uint32');
    expect(reader.documentAt(2)).toEqual({
      index: 0,
      offset: 0,
      length: 3,
      source: 'books',
      continues: false,
    });
    expect(reader.documentAt(4)).toEqual({ index: 2, offset: 4, length: 2, source: 'web', continues: true });
    expect(reader.read(2, 1)[0]).toBe(69_999);
    expect(() => reader.read(5, 2)).toThrow(RangeOutsideError);
    expect(() => reader.readInto(new Uint32Array(2), 5)).toThrow(RangeOutsideError);
    expect(() => reader.readInto(new Uint16Array(1), 0)).toThrow(/target: must be an array of uint32/);
    expect(() => reader.document(3)).toThrow(RangeOutsideError);
  });

  it('map with any tool: uint16 tokens at a page boundary, described by JSON', () => {
    const bytes = readFileSync(write([[1, 2], [3]]));
    const header = JSON.parse(bytes.toString('utf8', 16, 16 + bytes.readUInt32LE(12)));
    expect(header.tokensOffset % 4096).toBe(0);
    expect(header).toMatchObject({ dtype: 'uint16', tokenCount: 3, tokenizer: 'f1', endOfText: 256 });
    expect(bytes.readUInt16LE(header.tokensOffset + 4)).toBe(3);
  });

  it('appear only when finished', () => {
    const path = fresh();
    {
      using writer = new TokenShardWriter(path, { vocabSize: 10 });
      writer.append([1]);
      expect(() => writer.append([10])).toThrow(/token 0 is 10, outside of the vocabulary of 10/);
      expect(() => writer.append([1.5])).toThrow(ShardError);
    }
    expect(readdirSync(folder).filter((name) => name.startsWith(path.split('/').at(-1)!))).toEqual([]);
  });

  it('take documents longer than their buffer, and are as before after a bad one', () => {
    const path = fresh();
    const writer = new TokenShardWriter(path, { vocabSize: 300 });
    const long = Uint32Array.from({ length: 700_000 }, (_, i) => i % 299);
    writer.append([1, 2]);
    expect(() => writer.append(Uint32Array.of(...long.subarray(0, 1000), 300))).toThrow(ShardError);
    const broken = long.slice();
    broken[699_999] = 300;
    expect(() => writer.append(broken)).toThrow(/token 699999 is 300/);
    expect(() => writer.append([1], { end: 300 })).toThrow(/end token/);
    writer.append(long, { end: 299 });
    writer.append([3]);
    writer.finish();
    using reader = new TokenShardReader(path, { verify: true });
    expect([...reader.documents()].map(({ length }) => length)).toEqual([2, 700_001, 1]);
    expect(Uint32Array.from(reader.readDocument(1).subarray(0, -1))).toEqual(long);
    expect([...reader.read(700_002, 2)]).toEqual([299, 3]);
  });

  it('write the same bytes for the same documents', () => {
    expect(readFileSync(write([[1], [2, 3]]))).toEqual(readFileSync(write([[1], [2, 3]])));
  });

  it('refuse damage', () => {
    const cut = write([[1, 2, 3]]);
    truncateSync(cut, 4100);
    expect(() => new TokenShardReader(cut)).toThrow(/truncated or damaged/);

    const flipped = write([[1, 2, 3]]);
    const bytes = readFileSync(flipped);
    bytes[4096] = 9;
    writeFileSync(flipped, bytes);
    expect(() => new TokenShardReader(flipped, { verify: true })).toThrow(/do not match their checksum/);

    const table = write([[1, 2, 3], [4]]);
    const damaged = readFileSync(table);
    damaged.writeBigUInt64LE(99n, damaged.length - 2 - 4 - 8);
    writeFileSync(table, damaged);
    using reader = new TokenShardReader(table);
    expect(() => reader.documentCount).toThrow(/begins at token 99/);

    const hostile = fresh();
    writeFileSync(
      hostile,
      Buffer.concat([Buffer.from('GPTTOKEN\x01\0\0\0'), Buffer.from([255, 255, 255, 255])]),
    );
    expect(() => new TokenShardReader(hostile)).toThrow(ShardError);
    const oddBin = fresh();
    writeFileSync(oddBin, Buffer.from([1, 2, 3]));
    expect(() => new TokenShardReader(oddBin)).toThrow(/not a multiple of 2/);
    expect(() => new TokenShardReader(join(folder, 'absent'))).toThrow(ShardError);
  });

  it('refuse a tokenizer they were not made with, and mixed shards', () => {
    const path = write([[1]]);
    expect(() => new TokenShardReader(path, { tokenizer: { fingerprint: 'f2' } })).toThrow(/not f2/);
    expect(new TokenShardReader(path, { tokenizer: { fingerprint: 'f1' } }).tokenCount).toBe(1);
    expect(() => new TokenShardReader([path, write([[1]], 70_000)])).toThrow(/holds uint32/);
  });

  it('exchange .bin files with nanoGPT and llm.c', () => {
    const documents = [[1, 2, 256], [3, 256], [4]];
    using reader = new TokenShardReader(write(documents));
    const bin = join(folder, 'train.bin');
    exportTokenBin(reader, bin);
    expect(readFileSync(bin)).toEqual(Buffer.from(Uint16Array.from(documents.flat()).buffer));

    using raw = new TokenShardReader(bin, { endOfText: 256 });
    expect([...raw.documents()].map(({ length }) => length)).toEqual([3, 2, 1]);

    const imported = importTokenBin(bin, fresh(), { vocabSize: 257, endOfText: 256, source: 'web' });
    using back = new TokenShardReader(imported.path);
    expect(back.document(1)).toMatchObject({ offset: 3, length: 2, source: 'web' });

    const head = new Int32Array(256);
    head.set([20240520, 1, 6]);
    const llmc = join(folder, 'llmc.bin');
    writeFileSync(llmc, Buffer.concat([Buffer.from(head.buffer), readFileSync(bin)]));
    using other = new TokenShardReader(llmc, { endOfText: 256 });
    expect([...other.read(0, 6)]).toEqual(documents.flat());

    using wide = new TokenShardReader(write([[65_536]], 70_000));
    expect(() => exportTokenBin(wide, join(folder, 'wide.bin'), 'uint16')).toThrow(/does not fit uint16/);
  });
});

describe('packDocuments', () => {
  it.each(['wrapped', 'best-fit'] as const)(
    '%s places every token once and overfills no window',
    (strategy) => {
      fc.assert(
        fc.property(
          fc.array(fc.nat(40), { maxLength: 40 }),
          fc.integer({ min: 1, max: 16 }),
          (lengths, window) => {
            const windows = packDocuments(lengths, window, strategy);
            const seen = lengths.map(() => 0);
            for (const parts of windows) {
              expect(parts.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(window);
              for (const { document, length } of parts) seen[document]! += length;
            }
            expect(seen).toEqual(lengths);
          },
        ),
      );
    },
  );

  it('takes the fullest window that fits', () => {
    // 6 and 5 open two windows of 8 (2 and 3 left); 3 fits only the second, 2 the first; 1 opens a third.
    const windows = packDocuments([6, 1, 5, 3, 2], 8, 'best-fit');
    expect(windows.map((parts) => parts.map(({ document }) => document))).toEqual([[0, 4], [2, 3], [1]]);
  });

  it('keeps whole documents together that wrapping would cut', () => {
    const lengths = Array.from({ length: 200 }, (_, i) => 10 + ((i * 37) % 90));
    const cuts = (strategy: 'wrapped' | 'best-fit') =>
      packDocuments(lengths, 128, strategy).flat().length - lengths.length;
    expect(cuts('wrapped')).toBeGreaterThan(50);
    expect(cuts('best-fit')).toBe(0);
  });

  it('refuses an impossible window', () => {
    expect(() => packDocuments([1], 0)).toThrow(ConfigError);
  });
});
