import { checkRawImage, hasAlpha, type RawImage } from '../preprocess/raw-image.js';
import { resample } from '../preprocess/resample.js';
import type { Random } from '../random.js';

export interface AugmentOptions {
  /** Share of the area that a random crop keeps. Default [0.9, 1], open_clip's; [1, 1] is none. */
  readonly scale?: readonly [number, number];
  /** Aspect ratio of the crop, as a factor either way. Default 4/3. */
  readonly ratio?: number;
  /** Chance of a mirror image. Default 0: "left" and "right" are words. */
  readonly flip?: number;
  /** Largest factor by which brightness, contrast and saturation change. Default 0. */
  readonly jitter?: number;
  /** Largest shift, as a share of the side; the border is filled with the background. Default 0. */
  readonly shift?: number;
  /** Transparent images are laid on this colour, or on a random one. Default: alpha is left alone. */
  readonly background?: readonly [number, number, number] | 'random';
}

/**
 * A random variation of an image. All choices come from `random`, so a seed repeats them.
 *
 * @returns a new image; sizes may differ from the input's
 */
export function augment(image: RawImage, random: Random, options: AugmentOptions = {}): RawImage {
  checkRawImage(image);
  const { scale = [0.9, 1], ratio = 4 / 3, flip = 0, jitter = 0, shift = 0, background } = options;
  // Draw every number in a fixed order, whatever the options: changing one must not shift the others.
  const draws = Array.from({ length: 12 }, () => random.uniform());
  let out = image;
  if (background && hasAlpha(out)) {
    const colour = background === 'random' ? draws.slice(0, 3).map((d) => Math.round(d * 255)) : background;
    out = layOn(out, colour as [number, number, number]);
  }
  if (shift > 0) out = translate(out, (draws[3]! * 2 - 1) * shift, (draws[4]! * 2 - 1) * shift);
  const area = scale[0] + (scale[1] - scale[0]) * draws[5]!;
  if (area < 1) out = cropArea(out, area, ratio ** (draws[6]! * 2 - 1), draws[7]!, draws[8]!);
  if (draws[9]! < flip) out = mirror(out);
  if (jitter > 0)
    out = colourJitter(
      out,
      [draws[10]!, draws[11]!, draws[0]!].map((d) => 1 + (d * 2 - 1) * jitter),
    );
  return out;
}

function layOn(image: RawImage, colour: readonly [number, number, number]): RawImage {
  const { width, height, channels, data } = image;
  const step = channels === 4 ? 1 : 0;
  const out = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < out.length; from += channels, to += 3) {
    const alpha = data[from + channels - 1]! / 255;
    for (let c = 0; c < 3; c++)
      out[to + c] = Math.round(data[from + c * step]! * alpha + colour[c]! * (1 - alpha));
  }
  return { width, height, channels: 3, data: out };
}

/** Moves the image; what comes in from outside repeats the edge. */
function translate(image: RawImage, byX: number, byY: number): RawImage {
  const { width, height, channels, data } = image;
  const dx = Math.round(byX * width);
  const dy = Math.round(byY * height);
  if (dx === 0 && dy === 0) return image;
  const out = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const row = Math.min(height - 1, Math.max(0, y - dy)) * width;
    for (let x = 0; x < width; x++) {
      const from = (row + Math.min(width - 1, Math.max(0, x - dx))) * channels;
      for (let c = 0; c < channels; c++) out[to++] = data[from + c]!;
    }
  }
  return { width, height, channels, data: out };
}

/** Cuts out a random rectangle and resizes it to the original size, so that later steps see no change of shape. */
function cropArea(image: RawImage, area: number, ratio: number, atX: number, atY: number): RawImage {
  const { width, height, channels, data } = image;
  const side = Math.sqrt(area);
  const cropWidth = Math.max(1, Math.min(width, Math.round(width * side * Math.sqrt(ratio))));
  const cropHeight = Math.max(1, Math.min(height, Math.round((height * side) / Math.sqrt(ratio))));
  const left = Math.floor(atX * (width - cropWidth + 1));
  const top = Math.floor(atY * (height - cropHeight + 1));
  const cut = new Uint8Array(cropWidth * cropHeight * channels);
  for (let row = 0; row < cropHeight; row++) {
    const from = ((top + row) * width + left) * channels;
    cut.set(data.subarray(from, from + cropWidth * channels), row * cropWidth * channels);
  }
  return resample({ width: cropWidth, height: cropHeight, channels, data: cut }, width, height, 'bicubic');
}

function mirror(image: RawImage): RawImage {
  const { width, height, channels, data } = image;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      out.set(data.subarray(from, from + channels), (y * width + width - 1 - x) * channels);
    }
  }
  return { width, height, channels, data: out };
}

/** Factors for brightness, contrast (about mid-grey) and saturation (about the pixel's own grey). */
function colourJitter(image: RawImage, factors: readonly number[]): RawImage {
  const { channels, data } = image;
  const [brightness, contrast, saturation] = factors as [number, number, number];
  const colours = channels >= 3 ? 3 : 1;
  const out = new Uint8ClampedArray(data);
  for (let pixel = 0; pixel < out.length; pixel += channels) {
    const grey =
      colours === 3
        ? 0.299 * data[pixel]! + 0.587 * data[pixel + 1]! + 0.114 * data[pixel + 2]!
        : data[pixel]!;
    for (let c = pixel; c < pixel + colours; c++) {
      const saturated = grey + (data[c]! - grey) * saturation;
      out[c] = ((saturated - 127.5) * contrast + 127.5) * brightness;
    }
  }
  return { ...image, data: new Uint8Array(out.buffer) };
}
