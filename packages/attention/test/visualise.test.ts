import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setupBackend } from '@gpt-lineage/compute/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AttentionPattern,
  bandedPattern,
  blockPattern,
  causalPattern,
  columnPattern,
  exclude,
  fixedPattern,
  fullPattern,
  intersect,
  prefixPattern,
  segmentPattern,
  sinkPattern,
  stridedPattern,
  summaryPattern,
  unite,
  visualise,
} from '../src/index.js';
import { fixture, fixtureJson } from './support.js';

beforeAll(setupBackend);

const length = 14;
const patterns: AttentionPattern[] = [
  causalPattern,
  fullPattern,
  bandedPattern(1),
  bandedPattern(4),
  columnPattern(3),
  blockPattern(4),
  summaryPattern(4, 2),
  summaryPattern(4, 2, true),
  stridedPattern(4),
  fixedPattern(5, 2),
  sinkPattern(2),
  prefixPattern(5),
  segmentPattern([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
  unite(sinkPattern(2), bandedPattern(3)),
  intersect(prefixPattern(4), bandedPattern(6)),
  exclude(causalPattern, columnPattern(3)),
];

describe('patterns', () => {
  it.each(patterns.map((p) => [p.name, p] as const))(
    '%s: numbers and tensors agree',
    async (_name, pattern) => {
      const positions = tf.range(0, length, 1, 'int32');
      const mask = pattern.mask(tf.reshape(positions, [length, 1]), tf.reshape(positions, [1, length]));
      expect(mask.shape).toEqual([length, length]);
      const got = Array.from(await mask.data(), Boolean);
      const want = Array.from({ length: length * length }, (_, at) =>
        pattern.allows(Math.floor(at / length), at % length),
      );
      expect(got).toEqual(want);
    },
  );

  it('the masks of the reference fixtures', async () => {
    const {
      window,
      stride_l: stride,
      fixed_c: summary,
    } = fixtureJson<Record<string, number>>('attention.json') as never;
    const masks = fixture('attention_masks.safetensors');
    const named: Record<string, AttentionPattern> = {
      dense: causalPattern,
      banded: bandedPattern(window),
      strided: stridedPattern(stride),
      strided_a1: bandedPattern(stride),
      strided_a2: columnPattern(stride),
      strided_a1_paper: bandedPattern((stride as number) + 1),
      fixed: fixedPattern(stride, summary),
      fixed_a1: blockPattern(stride),
      fixed_a2: summaryPattern(stride, summary),
      fixed_a2_paper: summaryPattern(stride, summary, true),
    };
    expect(Object.keys(named).sort()).toEqual(masks.names.sort());
    for (const [name, pattern] of Object.entries(named)) {
      const mask = masks.tensor<tf.Tensor2D>(name);
      const size = mask.shape[0];
      const got = Array.from({ length: size * size }, (_, at) =>
        Number(pattern.allows(Math.floor(at / size), at % size)),
      );
      expect(got, name).toEqual(Array.from(await mask.data()));
    }
  });
});

describe('visualise', () => {
  it('draws', () => {
    const { ascii, image, density } = visualise(bandedPattern(2), { length: 3, cellSize: 2 });
    expect(ascii).toBe('■ · ·\n▪ ■ ·\n· ▪ ■');
    expect([image.width, image.height, image.data.length]).toEqual([6, 6, 144]);
    expect(Array.from(image.data.slice(0, 4))).toEqual([11, 61, 145, 255]);
    expect(Array.from(image.data.slice(8, 12))).toEqual([238, 241, 245, 255]);
    expect(density).toBeCloseTo(5 / 6);
    expect(visualise(fullPattern, { length: 4 }).density).toBe(1);
  });

  it('draws the last queries of a longer text', () => {
    expect(visualise(causalPattern, { queryLength: 2, keyLength: 4 }).ascii).toBe('▪ ▪ ■ ·\n▪ ▪ ▪ ■');
    expect(() => visualise(causalPattern, { queryLength: 5, keyLength: 4 })).toThrow(
      /at most the keyLength of 4/,
    );
    expect(() => visualise(causalPattern, { length: 0 })).toThrow(/integer ≥ 1/);
  });

  it('the pictures of the README are what it draws', () => {
    const pictures: Record<string, AttentionPattern> = {
      causal: causalPattern,
      banded: bandedPattern(5),
      strided: stridedPattern(5),
      fixed: fixedPattern(5, 1),
      column: columnPattern(5),
      sink: unite(sinkPattern(2), bandedPattern(4)),
    };
    for (const [name, pattern] of Object.entries(pictures)) {
      const file = new URL(`../docs/${name}.svg`, import.meta.url);
      const { svg } = visualise(pattern, { length: 20, cellSize: 6 });
      // UPDATE_PICTURES=1 draws them anew.
      if (process.env.UPDATE_PICTURES) writeFileSync(file, `${svg}\n`);
      expect(existsSync(file), `docs/${name}.svg`).toBe(true);
      expect(readFileSync(file, 'utf8')).toBe(`${svg}\n`);
    }
  });
});
