import { setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIP, compileEncoders, decodeImage, embedImages, type RawImage } from '../../src/index.js';
import { fixturePath, maxDifference, randomBytes } from '../support.js';

let clip: CLIP;
beforeAll(async () => {
  await setupBackend();
  clip = await CLIP.load(fixturePath('clip-vit-tiny/model/'));
});
afterAll(() => clip.dispose());

const files = ['photo.jpg', 'rgba.png', 'exif6.jpg', 'grey16.png', 'cmyk.jpg'].map((name) =>
  fixturePath(`images/${name}`),
);

const picture = (seed: number): RawImage => ({
  width: 40 + seed,
  height: 30,
  channels: 3,
  data: randomBytes((40 + seed) * 30 * 3, seed),
});

async function all(
  sources: Parameters<typeof embedImages>[1],
  options?: Parameters<typeof embedImages>[2],
): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const { first, data, shape } of embedImages(clip, sources, options)) {
    expect(first).toBe(rows.length);
    for (let row = 0; row < shape[0]; row++) rows.push([...data.slice(row * shape[1], (row + 1) * shape[1])]);
  }
  return rows;
}

describe('embedImages', () => {
  it('gives what decoding, preparing and encoding one by one give, files and pixels mixed', async () => {
    const sources = [...files, ...[1, 2, 3, 4].map(picture)];
    const before = tf.memory().numTensors;
    const rows = await all(sources, { batchSize: 4 });
    expect(tf.memory().numTensors).toBe(before);
    expect(rows).toHaveLength(9);
    for (const [i, source] of sources.entries()) {
      const image = source instanceof URL ? await decodeImage(source) : source;
      const embeds = clip.encodeImage(clip.preprocess(image));
      expect(maxDifference(rows[i]!, embeds.dataSync())).toBeLessThan(1e-5);
      embeds.dispose();
    }
  });

  it('takes an async source and a compiled encoder, which sees one shape only', async () => {
    using encoders = compileEncoders(clip);
    const shapes = new Set<string>();
    const encode = (pixels: tf.Tensor4D) => {
      shapes.add(String(pixels.shape));
      return encoders.encodeImage(pixels);
    };
    async function* sources() {
      for (let i = 0; i < 7; i++) yield picture(i);
    }
    const rows = await all(sources(), { batchSize: 3, encode });
    const plain = await all([0, 1, 2, 3, 4, 5, 6].map(picture), { batchSize: 7 });
    expect(shapes.size).toBe(1);
    rows.forEach((row, i) => {
      expect(maxDifference(row, plain[i]!)).toBeLessThan(1e-4);
    });
  });

  it('yields what came before a broken file, then its error, and leaves nothing behind', async () => {
    const before = tf.memory().numTensors;
    const seen: number[] = [];
    const run = async () => {
      const sources = [picture(1), picture(2), Uint8Array.of(0xff, 0xd8, 0xff, 0), picture(3), picture(4)];
      for await (const { first } of embedImages(clip, sources, { batchSize: 1 })) seen.push(first);
    };
    await expect(run()).rejects.toMatchObject({ name: 'ImageError' });
    expect(seen).toEqual([0, 1]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('can be left early, and aborted', async () => {
    const before = tf.memory().numTensors;
    for await (const _ of embedImages(clip, [1, 2, 3, 4, 5].map(picture), { batchSize: 1 })) break;
    expect(tf.memory().numTensors).toBe(before);
    const stop = AbortSignal.abort();
    await expect(all([picture(1)], { signal: stop })).rejects.toThrow(/abort/i);
  });

  it('refuses a batch of nothing', async () => {
    await expect(all([picture(1)], { batchSize: 0 })).rejects.toThrow(/batchSize must be a whole number/);
    expect(await all([])).toEqual([]);
  });
});
