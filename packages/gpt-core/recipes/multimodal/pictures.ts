import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { decodeImage, type RawImage, resample } from '@gpt-lineage/vision-clip';

const folder = (name: string): URL => new URL(`./data/${name}`, import.meta.url);

/** Handwritten digits, 28 × 28 grey levels, ink bright. */
export interface Digits {
  readonly images: readonly Uint8Array[];
  readonly labels: Uint8Array;
}

/** Real pictures that scenes are made of: MNIST digits and OpenMoji emoji. */
export interface Pictures {
  readonly digits: Readonly<Record<'train' | 'test', Digits>>;
  /** By name, RGBA at every side that scenes use. */
  readonly emoji: ReadonlyMap<string, ReadonlyMap<number, RawImage>>;
}

/** @param sides of the emoji, in pixels */
export async function loadPictures(sides: readonly number[]): Promise<Pictures> {
  const emoji = new Map<string, Map<number, RawImage>>();
  for (const file of readdirSync(folder('emoji'))
    .filter((name) => name.endsWith('.png'))
    .sort()) {
    const whole = await decodeImage(readFileSync(new URL(`./data/emoji/${file}`, import.meta.url)));
    const bySide = new Map(sides.map((side) => [side, resample(whole, side, side, 'bicubic')]));
    emoji.set(file.replace('.png', ''), bySide);
  }
  return { digits: { train: digits('train'), test: digits('test') }, emoji };
}

function digits(split: 'train' | 'test'): Digits {
  const bytes = (kind: string) =>
    new Uint8Array(gunzipSync(readFileSync(folder(`mnist/${split}-${kind}-ubyte.gz`))));
  const images = bytes('images-idx3').subarray(16);
  const labels = bytes('labels-idx1').subarray(8);
  return {
    labels,
    images: Array.from(labels, (_, i) => images.subarray(i * 784, (i + 1) * 784)),
  };
}
