import { describe, expect, it } from 'vitest';
import type { PreprocessConfig } from '../../src/preprocess/config.js';
import { cropForEncoder, preprocess } from '../../src/preprocess/preprocess.js';
import { type RawImage, toRgb } from '../../src/preprocess/raw-image.js';
import { resample, resampleTable } from '../../src/preprocess/resample.js';
import { fixtureJson, fixtureTensors, maxDifference } from '../support.js';

interface Images {
  target: number;
  images: { file: string; resized_wh: [number, number] }[];
  coefficient_tables: Record<string, { start: number[]; weights_fixed_22bit: number[][] }>;
}

const { target, images, coefficient_tables: tables } = fixtureJson<Images>('image-preprocess/images.json');
const tensors = await fixtureTensors('image-preprocess/images.safetensors');

function source(index: number): RawImage {
  const { shape, data } = tensors[`image${index}.source`]!;
  const [height, width, channels] = shape as [number, number, 1 | 3 | 4];
  return { width, height, channels, data: Uint8Array.from(data as Int32Array) };
}

const huggingFace: PreprocessConfig = { size: target, toRgb: 'before-resize', cropRounding: 'floor' };

describe('equal to Pillow and torchvision', () => {
  it.each(Object.entries(tables))('weights %s', (sizes, { start, weights_fixed_22bit }) => {
    const [inSize, outSize] = sizes.split('->').map(Number) as [number, number];
    const table = resampleTable(inSize, outSize, 'bicubic');
    expect([...table.start]).toEqual(start);
    weights_fixed_22bit.forEach((expected, i) => {
      expect([...table.weights.subarray(i * table.taps, i * table.taps + table.count[i]!)]).toEqual(expected);
    });
  });

  it.each(images.map((image, index) => [image.file, index] as const))('%s', (_file, index) => {
    const image = source(index);
    const [width, height] = images[index]!.resized_wh;
    const resized = toRgb(resample(image, width, height, 'bicubic'));
    expect(maxDifference(resized.data, tensors[`image${index}.resized`]!.data as Int32Array)).toBe(0);
    const cropped = cropForEncoder(image, { size: target });
    expect(maxDifference(cropped.data, tensors[`image${index}.cropped`]!.data as Int32Array)).toBe(0);
    const { data, shape } = preprocess(image, { size: target });
    expect(shape).toEqual([3, target, target]);
    expect(maxDifference(data, tensors[`image${index}.pixel_values`]!.data as Float32Array)).toBeLessThan(
      1e-6,
    );
    const hf = tensors[`image${index}.rgb_first.pixel_values`] ?? tensors[`image${index}.hf.pixel_values`];
    if (hf) {
      const ours = preprocess(image, huggingFace).data;
      expect(maxDifference(ours, hf.data as Float32Array)).toBeLessThan(1e-6);
    }
  });
});
