import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Sharp, SharpOptions } from 'sharp';
import { ImageError } from '../errors.js';
import { fetchImage } from '../image/fetch.js';
import { transparentColor } from '../image/gif.js';
import {
  checkDimensions,
  defaultMaxBytes,
  defaultMaxPixels,
  sniffBytes,
  sniffFormat,
} from '../image/sniff.js';
import type { DecodeOptions, ImageSource } from '../platform/types.js';
import { type RawImage, toRgb } from '../preprocess/raw-image.js';

type SharpFactory = typeof import('sharp').default;

let loading: Promise<SharpFactory> | undefined;

/** sharp is loaded when the first image is, and a machine without it learns so in one sentence. */
export async function loadSharp(): Promise<SharpFactory> {
  loading ??= import('sharp').then((module) => module.default);
  try {
    return await loading;
  } catch (cause) {
    loading = undefined;
    throw new ImageError(
      'decoder-missing',
      'images are decoded by sharp, which does not load: npm install sharp',
      {
        cause,
      },
    );
  }
}

/** First frame of an image file as 8-bit RGB or RGBA. Colour profiles are ignored, as Pillow ignores them. */
export async function decodeImage(source: ImageSource, options: DecodeOptions = {}): Promise<RawImage> {
  const { maxPixels = defaultMaxPixels, autoOrient = true, timeoutSeconds = 20 } = options;
  const { input, head, name } = await readInput(source, options);
  const format = sniffFormat(head, name);
  const sharp = await loadSharp();
  const sharpOptions: SharpOptions = {
    limitInputPixels: maxPixels,
    failOn: 'error',
    ignoreIcc: true,
    pages: 1,
    sequentialRead: true,
  };
  try {
    // Only the header is read here, so the size can be named in the error before sharp's own limit strikes.
    const metadata = await sharp(input, { ...sharpOptions, limitInputPixels: false }).metadata();
    checkDimensions(metadata.width, metadata.pageHeight ?? metadata.height, maxPixels, name);
    const isCmyk = metadata.space === 'cmyk';
    let image = sharp(input, sharpOptions).timeout({ seconds: timeoutSeconds });
    // An upright image decodes a fifth faster where sharp is not asked to turn it.
    if (autoOrient && (metadata.orientation ?? 1) !== 1) image = image.autoOrient();
    // Pillow makes no alpha of the one colour that a grey or RGB file may call transparent (tRNS).
    const isKeyed = format === 'png' && (head[25] === 0 || head[25] === 2);
    const raw = isCmyk ? await decodeCmyk(image) : await decodeRgb(image, metadata.hasAlpha && !isKeyed);
    if (format === 'gif')
      return { ...(await colorTransparent(withoutOpaqueAlpha(raw), input)), indexed: true };
    // Pillow does not interpolate between palette indices, nor between the two values of a single bit.
    const indexed = metadata.isPalette === true || metadata.bitsPerSample === 1;
    return indexed ? { ...raw, indexed } : raw;
  } catch (error) {
    throw asImageError(error, name);
  }
}

async function decodeRgb(image: Sharp, hasAlpha: boolean): Promise<RawImage> {
  const wanted = hasAlpha ? image.toColourspace('srgb') : image.removeAlpha().toColourspace('srgb');
  const { data, info } = await wanted.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels as 3 | 4, data };
}

/** libvips gives every GIF an alpha channel; keep it only where something is transparent. */
function withoutOpaqueAlpha(image: RawImage): RawImage {
  if (image.channels !== 4) return image;
  for (let i = 3; i < image.data.length; i += 4) if (image.data[i] !== 255) return image;
  return toRgb(image);
}

/** Gives transparent pixels of a GIF the colour that they have in the file. */
async function colorTransparent(image: RawImage, input: Uint8Array | string): Promise<RawImage> {
  if (image.channels !== 4) return image;
  const color = transparentColor(typeof input === 'string' ? await readStart(input, 1 << 16) : input);
  if (color) {
    for (let i = 0; i < image.data.length; i += 4) if (image.data[i + 3] === 0) image.data.set(color, i);
  }
  return image;
}

/** Pillow's conversion, which knows no inks: each colour is its distance from the ink times the lack of black. */
async function decodeCmyk(image: Sharp): Promise<RawImage> {
  const { data, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const out = new Uint8Array(info.width * info.height * 3);
  for (let from = 0, to = 0; to < out.length; from += info.channels) {
    const light = 255 - data[from + 3]!;
    for (let ink = 0; ink < 3; ink++) {
      const product = data[from + ink]! * light + 128;
      out[to++] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return { width: info.width, height: info.height, channels: 3, data: out };
}

async function readInput(source: ImageSource, { maxBytes = defaultMaxBytes }: DecodeOptions) {
  if (typeof source === 'string' || source instanceof URL) {
    const text = String(source);
    if (/^(https?|data|blob):/i.test(text)) {
      const bytes = await fetchImage(text, maxBytes);
      return {
        input: bytes as Uint8Array | string,
        head: bytes.subarray(0, sniffBytes),
        name: shorten(text),
      };
    }
    const path = text.startsWith('file:') ? fileURLToPath(text) : text;
    return { input: path as Uint8Array | string, head: await readHead(path, maxBytes), name: path };
  }
  const bytes =
    source instanceof Uint8Array
      ? source
      : new Uint8Array(source instanceof ArrayBuffer ? source : await source.arrayBuffer());
  checkBytes(bytes.byteLength, maxBytes, 'the image');
  return { input: bytes as Uint8Array | string, head: bytes.subarray(0, sniffBytes), name: 'the image' };
}

async function readHead(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new ImageError('unreadable', `${path} is not a file`);
    checkBytes(info.size, maxBytes, path);
    return await readStart(path, sniffBytes);
  } catch (cause) {
    if (ImageError.isInstance(cause)) throw cause;
    throw new ImageError('unreadable', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function readStart(path: string, bytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function checkBytes(size: number, maxBytes: number, name: string): void {
  if (size > maxBytes) {
    throw new ImageError('too-large', `${name} has ${size} bytes, over the limit of ${maxBytes}`);
  }
}

function asImageError(error: unknown, name: string): Error {
  if (ImageError.isInstance(error)) return error as unknown as Error;
  const message = error instanceof Error ? error.message : String(error);
  const first = message.split('\n')[0] ?? message;
  if (/pixel limit/i.test(message)) {
    return new ImageError('too-large', `${name} has more pixels than maxPixels allows`, { cause: error });
  }
  if (/timeout/i.test(message)) return new ImageError('timeout', `${name}: ${first}`, { cause: error });
  if (/unsupported image format/i.test(message)) {
    return new ImageError('unsupported', `${name}: this build of sharp does not read it (${first})`, {
      cause: error,
    });
  }
  return new ImageError('corrupt', `${name} is broken: ${first}`, { cause: error });
}

function shorten(url: string): string {
  return url.length > 80 ? `${url.slice(0, 77)}...` : url;
}
