import { ClipInputError } from '../errors.js';

/** A decoded image: 8-bit samples, row by row from the top left, channels interleaved. */
export interface RawImage {
  readonly width: number;
  readonly height: number;
  /** 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha (not premultiplied). */
  readonly channels: 1 | 2 | 3 | 4;
  /** `[height, width, channels]` */
  readonly data: Uint8Array | Uint8ClampedArray;
  /**
   * The file held palette indices (GIF, many PNGs). Pillow resizes such images by nearest neighbour, and so does
   * preprocessing that converts to RGB after resizing, as OpenAI's does.
   */
  readonly indexed?: boolean;
}

/** @throws {ClipInputError} when sizes and data disagree */
export function checkRawImage(image: RawImage): void {
  const { width, height, channels, data } = image;
  if (!Number.isSafeInteger(width) || !Number.isSafeInteger(height) || width < 1 || height < 1) {
    throw new ClipInputError('image', `must be at least 1×1, received ${width}×${height}`);
  }
  if (![1, 2, 3, 4].includes(channels)) {
    throw new ClipInputError('image.channels', `must be 1 to 4, received ${channels}`);
  }
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new ClipInputError('image.data', 'must be a Uint8Array of 8-bit samples');
  }
  if (data.length !== width * height * channels) {
    const expected = `${width}×${height}×${channels} = ${width * height * channels}`;
    throw new ClipInputError('image.data', `must hold ${expected} samples, received ${data.length}`);
  }
}

export function hasAlpha(image: RawImage): boolean {
  return image.channels === 2 || image.channels === 4;
}

/** Grey is repeated over the three channels; alpha is dropped, as Pillow's `convert('RGB')` does. */
export function toRgb(image: RawImage): RawImage {
  if (image.channels === 3) return image;
  const { width, height, channels, data } = image;
  const colour = channels === 4 ? 1 : 0;
  const out = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < out.length; from += channels, to += 3) {
    out[to] = data[from]!;
    out[to + 1] = data[from + colour]!;
    out[to + 2] = data[from + 2 * colour]!;
  }
  return { width, height, channels: 3, data: out };
}

/** a·b/255 rounded, by the integer formula Pillow uses. */
function multiply255(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/** Colour × alpha, 8 bits: resizing must not mix in the colour of transparent pixels. */
export function premultiply(image: RawImage): RawImage {
  const { channels, data } = image;
  const out = new Uint8Array(data);
  for (let pixel = 0; pixel < out.length; pixel += channels) {
    const alpha = out[pixel + channels - 1]!;
    for (let c = pixel; c < pixel + channels - 1; c++) out[c] = multiply255(out[c]!, alpha);
  }
  return { ...image, data: out };
}

/** Inverse of `premultiply`, truncating as Pillow does; fully transparent pixels keep what they hold. */
export function unpremultiply(image: RawImage): RawImage {
  const { channels, data } = image;
  const out = new Uint8Array(data);
  for (let pixel = 0; pixel < out.length; pixel += channels) {
    const alpha = out[pixel + channels - 1]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = pixel; c < pixel + channels - 1; c++) {
      out[c] = Math.min(255, Math.trunc((255 * out[c]!) / alpha));
    }
  }
  return { ...image, data: out };
}

/** Lays the image over an opaque colour; the result is RGB. For models that expect a flat background. */
export function flatten(image: RawImage, background: readonly [number, number, number]): RawImage {
  if (!hasAlpha(image)) return toRgb(image);
  const { width, height, channels, data } = image;
  const colour = channels === 4 ? 1 : 0;
  const out = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < out.length; from += channels, to += 3) {
    const alpha = data[from + channels - 1]!;
    for (let c = 0; c < 3; c++) {
      out[to + c] = Math.round((data[from + c * colour]! * alpha + background[c]! * (255 - alpha)) / 255);
    }
  }
  return { width, height, channels: 3, data: out };
}
