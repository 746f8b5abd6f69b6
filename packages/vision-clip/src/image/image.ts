import { platform } from '#platform';
import type { DecodeOptions, ImageSource } from '../platform/types.js';
import type { RawImage } from '../preprocess/raw-image.js';

/**
 * First frame of a JPEG, PNG, GIF, WebP, TIFF or AVIF file as 8-bit RGB, or RGBA where the file has alpha. sharp
 * decodes in Node, the canvas in browsers. The format is told from the content; SVG is refused.
 *
 * @param source a path (Node), a URL, or the file's bytes
 * @throws {ImageError} `reason` says why: empty, unsupported, unsafe, too-large, corrupt, timeout, unreadable,
 * decoder-missing
 */
export function decodeImage(source: ImageSource, options: DecodeOptions = {}): Promise<RawImage> {
  return platform.decodeImage(source, options);
}

/** The image as a PNG file. */
export function encodePng(image: RawImage): Promise<Uint8Array> {
  return platform.encodePng(image);
}
