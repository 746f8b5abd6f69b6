import { ImageError } from '../errors.js';

/** Raster formats we hand to a decoder; everything else is refused before a decoder sees it. */
export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'avif' | 'heif';

/** Bytes that `sniffFormat` needs. */
export const sniffBytes = 1024;

const signatures: readonly (readonly [ImageFormat, readonly number[]])[] = [
  ['jpeg', [0xff, 0xd8, 0xff]],
  ['png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['gif', [0x47, 0x49, 0x46, 0x38]],
  ['tiff', [0x49, 0x49, 0x2a, 0x00]],
  ['tiff', [0x4d, 0x4d, 0x00, 0x2a]],
];

/**
 * The format by content, never by file name. SVG is refused: it is a program that can reach for files, hosts and
 * entities; turn it into a PNG where it comes from.
 *
 * @throws {ImageError} reason `empty`, `unsafe` or `unsupported`
 */
export function sniffFormat(head: Uint8Array, name: string): ImageFormat {
  if (head.length === 0) throw new ImageError('empty', `${name} is empty (0 bytes)`);
  for (const [format, signature] of signatures) {
    if (signature.every((byte, i) => head[i] === byte)) return format;
  }
  const ascii = (from: number, to: number) => String.fromCharCode(...head.subarray(from, to));
  if (ascii(0, 4) === 'RIFF' && ascii(8, 12) === 'WEBP') return 'webp';
  if (ascii(4, 8) === 'ftyp') {
    const brand = ascii(8, 12);
    if (brand === 'avif' || brand === 'avis') return 'avif';
    if (['heic', 'heix', 'mif1', 'msf1', 'hevc'].includes(brand)) return 'heif';
  }
  const text = new TextDecoder('utf-8').decode(head).trimStart();
  const utf16 = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
  if (/^(<\?xml|<!|<svg)/i.test(text) || utf16 || (head[0] === 0x1f && head[1] === 0x8b)) {
    throw new ImageError(
      'unsafe',
      `${name} looks like SVG, XML or a compressed file; only raster images are read. Convert it to PNG first`,
    );
  }
  throw new ImageError(
    'unsupported',
    `${name} is not an image we read (JPEG, PNG, GIF, WebP, TIFF, AVIF): it begins with ${hex(head)}`,
  );
}

function hex(head: Uint8Array): string {
  return [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** Checks numbers from a file's header. @throws {ImageError} reason `too-large` or `corrupt` */
export function checkDimensions(width: number, height: number, maxPixels: number, name: string): void {
  if (!Number.isSafeInteger(width) || !Number.isSafeInteger(height) || width < 1 || height < 1) {
    throw new ImageError('corrupt', `${name} gives its size as ${width}×${height}`);
  }
  if (width * height > maxPixels) {
    throw new ImageError(
      'too-large',
      `${name} is ${width}×${height} = ${width * height} pixels, over the limit of ${maxPixels}; raise maxPixels to allow it`,
    );
  }
}

export const defaultMaxPixels = 100_000_000;
export const defaultMaxBytes = 256 * 1024 * 1024;
