import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { decodeImage } from '../../src/node/decode.js';
import type { RawImage } from '../../src/preprocess/raw-image.js';
import { fixtureJson, fixturePath } from '../support.js';

const digest = (image: RawImage): string =>
  createHash('sha256').update(image.data).digest('hex').slice(0, 16);
const file = (name: string): string => fileURLToPath(fixturePath(`images/${name}`));

interface Expected {
  width: number;
  height: number;
  channels: number;
  sha: string;
  indexed?: boolean;
  notOriented?: string;
}

describe('decodes what Pillow decodes', () => {
  it.each(Object.entries(fixtureJson<Record<string, Expected>>('images/expected.json')))(
    '%s',
    async (name, want) => {
      const image = await decodeImage(file(name));
      expect([image.width, image.height, image.channels]).toEqual([want.width, want.height, want.channels]);
      expect(image.indexed ?? false).toBe(want.indexed ?? false);
      expect(digest(image)).toBe(want.sha);
      const fromBytes = await decodeImage(new Uint8Array(readFileSync(file(name))));
      expect(digest(fromBytes)).toBe(want.sha);
      if (want.notOriented) {
        expect(digest(await decodeImage(file(name), { autoOrient: false }))).toBe(want.notOriented);
      }
    },
  );

  it('takes URLs, blobs and array buffers', async () => {
    const { sha } = fixtureJson<Record<string, Expected>>('images/expected.json')['rgb.png']!;
    const bytes = readFileSync(file('rgb.png'));
    expect(digest(await decodeImage(fixturePath('images/rgb.png')))).toBe(sha);
    expect(digest(await decodeImage(new Blob([new Uint8Array(bytes)])))).toBe(sha);
    expect(digest(await decodeImage(new Uint8Array(bytes).buffer))).toBe(sha);
    expect(digest(await decodeImage(`data:image/png;base64,${bytes.toString('base64')}`))).toBe(sha);
  });
});

describe('broken and hostile files', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A PNG whose header claims any size, with as little data as we like. */
  function png(width: number, height: number, body = deflateSync(new Uint8Array(64))): Uint8Array {
    const chunk = (type: string, data: Uint8Array) => {
      const body = Buffer.concat([Buffer.from(type), data]);
      const frame = Buffer.alloc(body.length + 8);
      frame.writeUInt32BE(data.length, 0);
      body.copy(frame, 4);
      frame.writeUInt32BE(crc32(body), body.length + 4);
      return frame;
    };
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 2, 0, 0, 0], 8);
    const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    return Buffer.concat([
      signature,
      chunk('IHDR', header),
      chunk('IDAT', body),
      chunk('IEND', Buffer.alloc(0)),
    ]);
  }

  const jpeg = readFileSync(file('photo.jpg'));
  const svg = `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
    <svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>`;
  const cases: [string, Uint8Array | string, ImageError['reason'], RegExp][] = [
    ['zero bytes.png', new Uint8Array(), 'empty', /0 bytes/],
    ['truncated.jpg', jpeg.subarray(0, jpeg.length / 2), 'corrupt', /broken/],
    ['truncated.png', readFileSync(file('rgb.png')).subarray(0, 200), 'corrupt', /broken/],
    ['header only.png', readFileSync(file('rgb.png')).subarray(0, 20), 'corrupt', /broken/],
    ['bomb.png', png(50_000, 50_000), 'too-large', /50000×50000 = 2500000000 pixels.*maxPixels/],
    ['bomb beyond the format.png', png(2 ** 31 - 1, 2 ** 31 - 1), 'corrupt', /broken/],
    ['nothing.png', png(0, 10), 'corrupt', /nothing.png/],
    ['text.png', 'this is not a picture, whatever its name says', 'unsupported', /begins with 74 68/],
    ['entities.svg', svg, 'unsafe', /looks like SVG/],
    ['svg in disguise.png', svg, 'unsafe', /Convert it to PNG/],
    ['bare svg.jpg', '\ufeff  <svg xmlns="http://www.w3.org/2000/svg"/>', 'unsafe', /looks like SVG/],
    ['page.html', '<!doctype html><html></html>', 'unsafe', /looks like/],
    ['zipped.svgz', new Uint8Array([0x1f, 0x8b, 8, 0]), 'unsafe', /compressed/],
  ];
  it.each(cases)('%s', async (name, content, reason, message) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content);
    for (const source of [path, bytes]) {
      const before = process.memoryUsage().rss;
      const error = await decodeImage(source).then(
        () => undefined,
        (thrown) => thrown,
      );
      expect(error).toBeInstanceOf(ImageError);
      expect(error.reason).toBe(reason);
      if (source === path) expect(error.message).toMatch(message);
      expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
    }
  });

  it('reads a file whose extension lies', async () => {
    const path = join(folder, 'really a jpeg.png');
    writeFileSync(path, jpeg);
    expect((await decodeImage(path)).width).toBe(56);
  });

  it('names a file that is missing, a folder, or too big', async () => {
    await expect(decodeImage(join(folder, 'none.png'))).rejects.toMatchObject({ reason: 'unreadable' });
    await expect(decodeImage(folder)).rejects.toThrow(/is not a file/);
    await expect(decodeImage(file('rgb.png'), { maxBytes: 100 })).rejects.toMatchObject({
      reason: 'too-large',
    });
    await expect(decodeImage(file('rgb.png'), { maxPixels: 100 })).rejects.toThrow(/56×40 = 2240 pixels/);
  });

  it('answers flipped bytes with a picture or a typed error', async () => {
    const originals = ['rgb.png', 'photo.jpg', 'animated.gif', 'lossless.webp', 'rgb.tiff'].map((name) =>
      readFileSync(file(name)),
    );
    const flips = fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals), flips, async (original, changes) => {
        const bytes = new Uint8Array(original);
        for (const [index, value] of changes) bytes[index % bytes.length] = value;
        try {
          const image = await decodeImage(bytes);
          expect(image.data.length).toBe(image.width * image.height * image.channels);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
      { numRuns: 150, seed: 3 },
    );
  });
});
