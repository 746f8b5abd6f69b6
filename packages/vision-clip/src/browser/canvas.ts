import { ImageError } from '../errors.js';
import { readDimensions } from '../image/dimensions.js';
import { fetchImage } from '../image/fetch.js';
import {
  checkDimensions,
  defaultMaxBytes,
  defaultMaxPixels,
  sniffBytes,
  sniffFormat,
} from '../image/sniff.js';
import type { DecodeOptions, ImageSource } from '../platform/types.js';
import { hasAlpha, type RawImage, toRgb } from '../preprocess/raw-image.js';

/**
 * First frame of an image file as 8-bit RGB or RGBA, decoded by the browser. A canvas stores colour times alpha, so
 * colours of half-transparent pixels come back rounded; opaque images are exact.
 */
export async function decodeImage(source: ImageSource, options: DecodeOptions = {}): Promise<RawImage> {
  const { maxPixels = defaultMaxPixels, maxBytes = defaultMaxBytes, autoOrient = true } = options;
  const bytes = await readBytes(source, maxBytes);
  const format = sniffFormat(bytes.subarray(0, sniffBytes), 'the image');
  // The header is read before the browser allocates anything.
  const claimed = readDimensions(bytes, format);
  if (claimed) checkDimensions(claimed.width, claimed.height, maxPixels, 'the image');
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(
      new Blob([bytes as Uint8Array<ArrayBuffer>], { type: `image/${format}` }),
      {
        imageOrientation: autoOrient ? 'from-image' : ('none' as ImageOrientation),
        premultiplyAlpha: 'none',
        colorSpaceConversion: 'none',
      },
    );
  } catch (cause) {
    throw new ImageError('corrupt', `the image is broken, or this browser reads no ${format}`, { cause });
  }
  try {
    checkDimensions(bitmap.width, bitmap.height, maxPixels, 'the image');
    return dropOpaqueAlpha(readPixels(bitmap));
  } finally {
    bitmap.close();
  }
}

async function readBytes(source: ImageSource, maxBytes: number): Promise<Uint8Array> {
  if (typeof source === 'string' || source instanceof URL) {
    return fetchImage(new URL(source, globalThis.document?.baseURI).href, maxBytes);
  }
  const size = source instanceof Blob ? source.size : source.byteLength;
  if (size > maxBytes)
    throw new ImageError('too-large', `the image has ${size} bytes, over the limit of ${maxBytes}`);
  if (source instanceof Uint8Array) return source;
  return new Uint8Array(source instanceof ArrayBuffer ? source : await source.arrayBuffer());
}

function context2d(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new ImageError('decoder-missing', 'this browser gives no 2D canvas');
  return context;
}

function readPixels(bitmap: ImageBitmap): RawImage {
  const { width, height } = bitmap;
  const context = context2d(width, height);
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, channels: 4, data };
}

function dropOpaqueAlpha(image: RawImage): RawImage {
  for (let i = 3; i < image.data.length; i += 4) if (image.data[i] !== 255) return image;
  return toRgb(image);
}

function toImageData(image: RawImage): ImageData {
  const { width, height, channels, data } = image;
  const out = new Uint8ClampedArray(width * height * 4);
  const colour = channels >= 3 ? 1 : 0;
  for (let from = 0, to = 0; to < out.length; from += channels, to += 4) {
    for (let c = 0; c < 3; c++) out[to + c] = data[from + c * colour]!;
    out[to + 3] = hasAlpha(image) ? data[from + channels - 1]! : 255;
  }
  return new ImageData(out, width, height);
}

/** Draws an SVG, made by us, over an image. */
export async function composite(image: RawImage, svg: string): Promise<RawImage> {
  const context = context2d(image.width, image.height);
  context.putImageData(toImageData(image), 0, 0);
  const overlay = new Image();
  overlay.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await overlay.decode();
  context.drawImage(overlay, 0, 0, image.width, image.height);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const result: RawImage = { width: image.width, height: image.height, channels: 4, data };
  return hasAlpha(image) ? result : toRgb(result);
}

/** The image as PNG bytes. */
export async function encodePng(image: RawImage): Promise<Uint8Array> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')?.putImageData(toImageData(image), 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return new Uint8Array(await blob.arrayBuffer());
}
