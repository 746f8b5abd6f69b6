import { describe, expect, it } from 'vitest';
import type { RawImage } from '../../src/preprocess/raw-image.js';
import { horizontalPass, resampleTable, verticalPass } from '../../src/preprocess/resample.js';
import { simdHorizontal, simdVertical } from '../../src/preprocess/resample-simd.js';
import { Random } from '../../src/random.js';
import { randomBytes } from '../support.js';

function image(width: number, height: number, channels: RawImage['channels'], seed: number): RawImage {
  return { width, height, channels, data: randomBytes(width * height * channels, seed) };
}

describe('SIMD passes equal the plain loops', () => {
  const random = new Random(3);
  const filters = ['box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const;
  const cases = Array.from({ length: 40 }, (_, i) => ({
    channels: ([1, 2, 3, 4] as const)[i % 4]!,
    filter: filters[i % 5]!,
    width: 1 + random.integer(90),
    height: 1 + random.integer(70),
    outWidth: 1 + random.integer(120),
    outHeight: 1 + random.integer(90),
    seed: i,
  }));

  it.each(cases)('$width×$height×$channels → $outWidth×$outHeight, $filter', (one) => {
    const { channels, filter, width, height, outWidth, outHeight, seed } = one;
    const source = image(width, height, channels as RawImage['channels'], seed);
    const first = Math.floor(height / 3);
    const columns = resampleTable(width, outWidth, filter);
    const across = simdHorizontal(source, columns, first, height)!;
    expect(Buffer.compare(across, horizontalPass(source, columns, first, height))).toBe(0);

    const rows = resampleTable(height, outHeight, filter);
    const rowBytes = width * channels;
    const begin = rows.start[0]!;
    const data = source.data.subarray(begin * rowBytes);
    const down = simdVertical(data, rows, begin, rowBytes)!;
    expect(Buffer.compare(down, verticalPass(data, rows, begin, rowBytes))).toBe(0);
  });

  it('extreme samples clamp alike', () => {
    const source: RawImage = { ...image(64, 1, 3, 1), data: randomBytes(192, 2).map((b) => (b & 1) * 255) };
    const columns = resampleTable(64, 150, 'lanczos');
    const plain = horizontalPass(source, columns, 0, 1);
    expect(new Set(plain)).toContain(0);
    expect(new Set(plain)).toContain(255);
    expect(Buffer.compare(simdHorizontal(source, columns, 0, 1)!, plain)).toBe(0);
  });

  it('bands: an image larger than one of them', () => {
    const source = image(1200, 800, 3, 9);
    const columns = resampleTable(1200, 97, 'bicubic', 5, 60);
    const across = simdHorizontal(source, columns, 3, 797)!;
    expect(Buffer.compare(across, horizontalPass(source, columns, 3, 797))).toBe(0);
  });

  it('leaves what would need much memory to the plain loops', () => {
    const wide: RawImage = { width: 1 << 23, height: 1, channels: 3, data: new Uint8Array(3 << 23) };
    expect(simdHorizontal(wide, resampleTable(1 << 23, 8, 'box'), 0, 1)).toBeUndefined();
    const rows = resampleTable(6000, 5000, 'box');
    expect(simdVertical(new Uint8Array(6000 * 3000), rows, 0, 3000)).toBeUndefined();
  });
});
