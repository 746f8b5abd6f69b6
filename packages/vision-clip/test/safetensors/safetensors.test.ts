import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors, openShardedSafetensors, writeSafetensorsFile } from '../../src/node/safetensors.js';
import {
  readSafetensors,
  SafetensorsError,
  type SafetensorsInput,
  toBFloat16,
  toFloat16,
  urlSource,
  writeSafetensors,
} from '../../src/safetensors/index.js';

const modelFile = new URL('../fixtures/clip-vit-tiny/model/model.safetensors', import.meta.url);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file from a header (JSON text or object) and `dataBytes` zero bytes. */
function handMade(header: unknown, dataBytes: number, claimed?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('reading and writing', () => {
  it('rewrites a file of the reference implementation byte for byte', async () => {
    const original = new Uint8Array(await readFile(modelFile));
    const file = await readSafetensors(original);
    const tensors: Record<string, SafetensorsInput> = {};
    for (const info of file.tensors.values()) {
      tensors[info.name] = { dtype: info.dtype, shape: info.shape, data: await file.read(info.name) };
    }
    const copy = await writeSafetensors(tensors, { metadata: Object.fromEntries(file.metadata) });
    expect(Buffer.compare(copy, original)).toBe(0);
  });

  it('keeps every dtype, name and value', async () => {
    const name = fc.string({ unit: 'binary', maxLength: 12 }).filter((s) => s !== '__metadata__');
    const tensor = fc.oneof(
      fc.float32Array().map((data) => ({ dtype: 'F32' as const, data })),
      fc.float64Array().map((data) => ({ dtype: 'F64' as const, data })),
      fc.int32Array().map((data) => ({ dtype: 'I32' as const, data })),
      fc.int8Array().map((data) => ({ dtype: 'I8' as const, data })),
      fc.uint8Array().map((data) => ({ dtype: 'U8' as const, data })),
      fc.uint16Array().map((data) => ({ dtype: 'F16' as const, data })),
      fc.bigInt64Array().map((data) => ({ dtype: 'I64' as const, data })),
    );
    const files = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([n]) => n, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(files, async (entries) => {
        const inputs: Record<string, SafetensorsInput> = Object.create(null);
        for (const [n, t] of entries) inputs[n] = { ...t, shape: [t.data.length, 1] };
        const file = await readSafetensors(await writeSafetensors(inputs));
        expect([...file.tensors.keys()].sort()).toEqual(Object.keys(inputs).sort());
        for (const [n, t] of entries) expect(await file.read(n)).toEqual(t.data);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it('rounds float32 to half precision as IEEE says, and back', async () => {
    const data = Float32Array.of(
      1,
      -2.5,
      65504,
      65520,
      1e-7,
      2 ** -25,
      2 ** -25 * 1.0001,
      2049,
      2051,
      Number.NaN,
      -0,
    );
    expect([...toFloat16(data)].map((v) => v.toString(16))).toEqual([
      '3c00',
      'c100',
      '7bff',
      '7c00',
      '2',
      '0',
      '1',
      '6800',
      '6802',
      '7e00',
      '8000',
    ]);
    // 1 + 2^-8 is the tie between two bfloat16 neighbours; it goes to the even one.
    expect([...toBFloat16(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.3895314e38, Number.NaN))]).toEqual([
      0x3f80, 0x3f82, 0x7f7f, 0x7fc0,
    ]);
    const bytes = await writeSafetensors({
      half: { dtype: 'F16', shape: [3], data: Float32Array.of(0.1, -3, 6e-8) },
      brain: { dtype: 'BF16', shape: [2], data: Float32Array.of(0.1, -3) },
      long: { dtype: 'I64', shape: [1], data: BigInt64Array.of(-7n) },
    });
    const file = await readSafetensors(bytes);
    expect(await file.readFloat32('half')).toEqual(Float32Array.of(0.0999755859375, -3, 2 ** -24));
    expect(await file.readFloat32('brain')).toEqual(Float32Array.of(0.10009765625, -3));
    expect(await file.readFloat32('long')).toEqual(Float32Array.of(-7));
  });

  it('reads only the range asked for', async () => {
    const bytes = await writeSafetensors({
      x: { dtype: 'F32', shape: [1000], data: Float32Array.from({ length: 1000 }, (_, i) => i) },
    });
    const reads: number[] = [];
    const file = await readSafetensors({
      name: 'spy',
      size: bytes.length,
      read: async (offset, length) => {
        reads.push(length);
        return bytes.slice(offset, offset + length);
      },
    });
    expect([...(await file.readFloat32('x', 500, 503))]).toEqual([500, 501, 502]);
    expect(reads.at(-1)).toBe(12);
    await expect(file.readFloat32('x', 1001)).rejects.toThrow(/outside its 1000 elements/);
  });

  it('reads over HTTP ranges, and from servers that ignore them', async () => {
    const bytes = await readFile(modelFile);
    let served = 0;
    const server = createServer((request, response) => {
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
      if (!range || request.url === '/whole') return void response.end(bytes);
      const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
      served += part.length;
      response.writeHead(206, { 'content-range': `bytes ${range[1]}-${range[2]}/${bytes.length}` }).end(part);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const { port } = server.address() as AddressInfo;
      const expected = await (await readSafetensors(bytes)).read('text_projection.weight');
      for (const path of ['/ranges', '/whole']) {
        const file = await readSafetensors(await urlSource(`http://127.0.0.1:${port}${path}`));
        expect(await file.read('text_projection.weight')).toEqual(expected);
      }
      expect(served).toBeLessThan(bytes.length / 10);
    } finally {
      server.close();
    }
  });
});

describe('files on disk', () => {
  it('reads one tensor at a time and shards as one', async () => {
    const data = Float32Array.of(1, 2, 3);
    await writeSafetensorsFile(join(folder, 'a.safetensors'), { a: { dtype: 'F32', shape: [3], data } });
    await writeSafetensorsFile(join(folder, 'b.safetensors'), {
      b: { dtype: 'F32', shape: [3], data: async () => data },
    });
    const index = join(folder, 'model.safetensors.index.json');
    await writeFile(index, JSON.stringify({ weight_map: { a: 'a.safetensors', b: 'b.safetensors' } }));
    const file = await openShardedSafetensors(index);
    expect([...file.tensors.keys()]).toEqual(['a', 'b']);
    expect(await file.readFloat32('b')).toEqual(data);
    await file.close();
    await writeFile(index, JSON.stringify({ weight_map: { a: '../a.safetensors' } }));
    await expect(openShardedSafetensors(index)).rejects.toThrow(/not a plain file name/);
  });

  it('leaves the old file when writing fails', async () => {
    const path = join(folder, 'keep.safetensors');
    const good = { x: { dtype: 'F32' as const, shape: [1], data: Float32Array.of(1) } };
    await writeSafetensorsFile(path, good);
    const before = (await readdir(folder)).length;
    await expect(
      writeSafetensorsFile(path, { ...good, y: { dtype: 'F32', shape: [2], data: Float32Array.of(1) } }),
    ).rejects.toThrow('y: shape [2] needs 2 values, received 1');
    expect((await readdir(folder)).length).toBe(before);
    const file = await openSafetensors(path);
    expect(await file.readFloat32('x')).toEqual(Float32Array.of(1));
    await file.close();
  });
});

describe('hostile files', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(), /0 bytes, too few/],
    ['huge header claim', handMade({}, 0, 2n ** 63n), /claims 9223372036854775808 bytes, the limit/],
    ['header beyond the file', handMade({}, 0, 5000n), /claims 5000 bytes but/],
    ['not UTF-8', new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0xff]), /not UTF-8/],
    ['not an object', handMade('[]', 0), /must begin with/],
    ['broken JSON', handMade('{"a":', 0), /not JSON/],
    ['entry is null', handMade({ a: null }, 0), /a: header entry is not an object/],
    ['unknown dtype', handMade({ a: { ...f32(0, 4), dtype: 'F8_E4M3' } }, 4), /a: dtype "F8_E4M3"/],
    ['inherited dtype', handMade({ a: { ...f32(0, 4), dtype: 'toString' } }, 4), /a: dtype "toString"/],
    ['negative shape', handMade({ a: f32(0, 4, [-1]) }, 4), /a: shape \[-1\]/],
    ['fractional shape', handMade({ a: f32(0, 4, [0.5, 2]) }, 4), /a: shape/],
    ['overflowing shape', handMade({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), /a: shape .* takes/],
    ['shape and offsets disagree', handMade({ a: f32(0, 8, [1]) }, 8), /takes 4 bytes, data_offsets give 8/],
    ['reversed offsets', handMade({ a: f32(8, 4, [1]) }, 8), /a: data_offsets \[8,4\]/],
    ['overlap', handMade({ a: f32(0, 8), b: f32(4, 12) }, 12), /b: data offset 4 overlaps/],
    ['hole', handMade({ a: f32(0, 4), b: f32(8, 12) }, 12), /b: data offset 8 leaves a hole/],
    ['truncated data', handMade({ a: f32(0, 400) }, 8), /file: tensors end at .* truncated/],
    ['trailing bytes', handMade({ a: f32(0, 4) }, 8), /bytes follow the last tensor/],
    ['metadata that is no string', handMade({ __metadata__: { a: 1 } }, 0), /"a" is not a string/],
  ];
  it.each(cases)('%s', async (_name, bytes, message) => {
    const error = await readSafetensors(bytes).then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(SafetensorsError);
    expect(error.message).toMatch(message);
  });

  it('never fails with anything but a typed error when bytes are flipped', async () => {
    const original = await writeSafetensors({
      a: { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) },
      b: { dtype: 'I8', shape: [5], data: new Int8Array(5) },
    });
    const flips = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(flips, fc.nat(original.length), async (changes, cut) => {
        const bytes = original.slice(0, original.length - (cut % 7));
        for (const [index, value] of changes) if (index < bytes.length) bytes[index] = value;
        try {
          const file = await readSafetensors(bytes);
          for (const name of file.tensors.keys()) await file.read(name);
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
      { numRuns: 500, seed: 2 },
    );
  });
});
