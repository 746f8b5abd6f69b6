import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { type PreprocessConfig, parsePreprocessConfig } from '../../src/preprocess/config.js';
import { cropForEncoder, preprocess } from '../../src/preprocess/preprocess.js';
import type { RawImage } from '../../src/preprocess/raw-image.js';
import { resample } from '../../src/preprocess/resample.js';
import { fixtureJson, randomBytes } from '../support.js';

interface Case {
  kind: 'resize' | 'open_clip' | 'transformers';
  mode: 'L' | 'LA' | 'RGB' | 'RGBA';
  width: number;
  height: number;
  seed: number;
  sha: string;
  valuesSha?: string;
  to?: [number, number];
  size?: number;
  resizeMode?: NonNullable<PreprocessConfig['resizeMode']>;
  interpolation?: NonNullable<PreprocessConfig['interpolation']>;
  config?: object;
}

function image({ mode, width, height, seed }: Case): RawImage {
  const channels = mode.length as 1 | 2 | 3 | 4;
  return { width, height, channels, data: randomBytes(width * height * channels, seed) };
}

const digest = (data: Uint8Array | Uint8ClampedArray): string =>
  createHash('sha256').update(data).digest('hex').slice(0, 16);

const cases = fixtureJson<Case[]>('preprocess-hashes.json');

it.each(cases.map((c) => [`${c.kind} ${c.mode} ${c.width}×${c.height} seed ${c.seed}`, c] as const))(
  '%s',
  (_, c) => {
    if (c.kind === 'resize') {
      const [width, height] = c.to!;
      expect(digest(resample(image(c), width, height, c.interpolation).data)).toBe(c.sha);
      return;
    }
    const config =
      c.kind === 'transformers'
        ? parsePreprocessConfig(c.config)
        : { size: c.size!, resizeMode: c.resizeMode!, interpolation: c.interpolation! };
    expect(digest(cropForEncoder(image(c), config).data)).toBe(c.sha);
    if (c.valuesSha) {
      const { data } = preprocess(image(c), config);
      expect(digest(new Uint8Array(data.buffer))).toBe(c.valuesSha);
    }
  },
);
