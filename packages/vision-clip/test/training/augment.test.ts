import { describe, expect, it } from 'vitest';
import type { RawImage } from '../../src/preprocess/raw-image.js';
import { Random } from '../../src/random.js';
import { augment } from '../../src/training/augment.js';
import { randomBytes } from '../support.js';

const image: RawImage = { width: 12, height: 8, channels: 4, data: randomBytes(12 * 8 * 4, 1) };

describe('augment', () => {
  it('repeats with the seed, varies with it, and leaves the input alone', () => {
    const before = Uint8Array.from(image.data);
    const options = { background: 'random', scale: [0.5, 1], shift: 0.2, flip: 0.5, jitter: 0.4 } as const;
    const first = augment(image, new Random(1), options);
    expect(augment(image, new Random(1), options)).toEqual(first);
    expect(augment(image, new Random(2), options)).not.toEqual(first);
    expect([first.width, first.height, first.channels]).toEqual([12, 8, 3]);
    expect(image.data).toEqual(before);
  });

  it('does nothing when told to do nothing', () => {
    expect(augment(image, new Random(1), { scale: [1, 1] })).toBe(image);
  });

  it('mirrors pixels, not channels', () => {
    const flipped = augment(image, new Random(1), { scale: [1, 1], flip: 1 });
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 12; x++) {
        const [a, b] = [(y * 12 + x) * 4, (y * 12 + 11 - x) * 4];
        expect(flipped.data.slice(a, a + 4)).toEqual(image.data.slice(b, b + 4));
      }
    }
  });

  it('lays transparent pixels on the background', () => {
    const clear: RawImage = {
      width: 2,
      height: 1,
      channels: 4,
      data: Uint8Array.of(9, 9, 9, 0, 9, 9, 9, 255),
    };
    const laid = augment(clear, new Random(1), { scale: [1, 1], background: [255, 0, 10] });
    expect([...laid.data]).toEqual([255, 0, 10, 9, 9, 9]);
  });
});
