import { ClipConfigError } from '../errors.js';
import { type PreprocessConfig, type ResolvedPreprocessConfig, resolvePreprocess } from './config.js';
import { checkRawImage, flatten, hasAlpha, type RawImage, toRgb } from './raw-image.js';
import { resample } from './resample.js';

/** Numbers ready for an encoder: one image `[3, height, width]` or a batch `[batch, 3, height, width]`. */
export interface PixelValues {
  readonly data: Float32Array;
  readonly shape: readonly [3, number, number] | readonly [number, 3, number, number];
}

/**
 * Image to encoder input, equal to what Pillow and torchvision make of it: resize, crop, RGB, rescale, normalise,
 * channels first. Bit-exact 8-bit samples, float32 arithmetic.
 *
 * @param image one image gives `[3, height, width]`, a list `[batch, 3, height, width]`
 * @throws {ClipInputError} when an image's sizes and data disagree
 * @throws {ClipConfigError} when the config makes no sense
 */
export function preprocess(
  image: RawImage | readonly RawImage[],
  config: PreprocessConfig = {},
): PixelValues {
  const resolved = resolvePreprocess(config);
  const [width, height] = resolved.size;
  const images: readonly RawImage[] = Array.isArray(image) ? image : [image as RawImage];
  const plane = width * height;
  const data = new Float32Array(images.length * 3 * plane);
  const tables = normalisationTables(resolved);
  images.forEach((one, index) => {
    normalise(
      resizeAndCrop(one, resolved).data,
      tables,
      data.subarray(index * 3 * plane, (index + 1) * 3 * plane),
    );
  });
  return { data, shape: Array.isArray(image) ? [images.length, 3, height, width] : [3, height, width] };
}

/** Interleaved samples to one plane for each channel, by table. */
function normalise(
  pixels: Uint8Array | Uint8ClampedArray,
  tables: readonly Float32Array[],
  out: Float32Array,
) {
  const [reds, greens, blues] = tables as [Float32Array, Float32Array, Float32Array];
  const plane = out.length / 3;
  const [red, green, blue] = [0, 1, 2].map((channel) =>
    out.subarray(channel * plane, (channel + 1) * plane),
  ) as [Float32Array, Float32Array, Float32Array];
  for (let i = 0, at = 0; i < plane; i++, at += 3) {
    red[i] = reds[pixels[at]!]!;
    green[i] = greens[pixels[at + 1]!]!;
    blue[i] = blues[pixels[at + 2]!]!;
  }
}

/** The 8-bit RGB picture the encoder will see, before normalisation: useful to look at and to test. */
export function cropForEncoder(image: RawImage, config: PreprocessConfig = {}): RawImage {
  return resizeAndCrop(image, resolvePreprocess(config));
}

function resizeAndCrop(input: RawImage, config: ResolvedPreprocessConfig): RawImage {
  checkRawImage(input);
  let image = input;
  if (config.background && hasAlpha(image)) image = flatten(image, config.background);
  if (config.toRgb === 'before-resize') image = toRgb(image);
  const [cropWidth, cropHeight] = config.size;
  const [width, height] = resizedSize(image, config);
  // Only the part of the resized image that survives the crop is ever computed.
  const x = placement(width, cropWidth, config);
  const y = placement(height, cropHeight, config);
  const window = { left: x.from, top: y.from, width: x.length, height: y.length };
  // Pillow has no interpolation between palette indices.
  const interpolation = image.indexed && config.toRgb === 'after-resize' ? 'nearest' : config.interpolation;
  const resized = toRgb(resample(image, width, height, interpolation, window));
  return resized.width === cropWidth && resized.height === cropHeight
    ? resized
    : pad(resized, x.to, y.to, config);
}

/** Size after resizing, before the crop. The longer side is truncated, never rounded, as in torchvision. */
function resizedSize(
  image: RawImage,
  { resizeTo, resizeMode }: ResolvedPreprocessConfig,
): readonly [number, number] {
  const { width, height } = image;
  switch (resizeMode) {
    case 'none':
      return [width, height];
    case 'squash':
      return resizeTo;
    case 'longest': {
      const ratio = Math.max(width / resizeTo[0], height / resizeTo[1]);
      return checkSize(Math.max(1, roundHalfEven(width / ratio)), Math.max(1, roundHalfEven(height / ratio)));
    }
    case 'shortest': {
      const side = Math.min(...resizeTo);
      return width <= height
        ? checkSize(side, Math.trunc((side * height) / width))
        : checkSize(Math.trunc((side * width) / height), side);
    }
  }
}

function checkSize(width: number, height: number): readonly [number, number] {
  if (Math.max(width, height) > 2 ** 24) {
    throw new ClipConfigError('resizeMode', `would resize the image to ${width}×${height}`);
  }
  return [width, height];
}

/** Along one axis: the part of the resized image that is kept, and where it lands in the output. */
function placement(length: number, crop: number, { cropRounding }: ResolvedPreprocessConfig) {
  if (length >= crop) {
    const margin = (length - crop) / 2;
    const from = cropRounding === 'floor' ? Math.floor(margin) : roundHalfEven(margin);
    return { from, length: crop, to: 0 };
  }
  const margin = (crop - length) / 2;
  return { from: 0, length, to: cropRounding === 'floor' ? Math.ceil(margin) : Math.floor(margin) };
}

function pad(image: RawImage, left: number, top: number, { size, fill }: ResolvedPreprocessConfig): RawImage {
  const [width, height] = size;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = fill[i % 3]!;
  for (let row = 0; row < image.height; row++) {
    const from = row * image.width * 3;
    data.set(image.data.subarray(from, from + image.width * 3), ((top + row) * width + left) * 3);
  }
  return { width, height, channels: 3, data };
}

/** Python's `round`. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** 256 entries per channel, float32 arithmetic in torchvision's order: ·rescale, −mean, ÷std. */
function normalisationTables({ rescale, mean, std }: ResolvedPreprocessConfig): Float32Array[] {
  const f = Math.fround;
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: 256 }, (_, level) => {
      const scaled = rescale === 1 / 255 ? f(level / 255) : f(level * rescale);
      return f(f(scaled - f(mean[channel]!)) / f(std[channel]!));
    }),
  );
}
