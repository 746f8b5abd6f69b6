import type { ImageFormat } from './sniff.js';

/**
 * Width and height as the header claims them, for formats whose header is simple enough to trust ourselves with.
 * `undefined` where it is not; the decoder's own limits then apply.
 */
export function readDimensions(
  bytes: Uint8Array,
  format: ImageFormat,
): { width: number; height: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === 'png' && bytes.length >= 24)
    return { width: view.getUint32(16), height: view.getUint32(20) };
  if (format === 'gif' && bytes.length >= 10)
    return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (format === 'jpeg') return jpegDimensions(view);
  if (format === 'webp' && bytes.length >= 30) return webpDimensions(view);
  return undefined;
}

/** Walks the segments up to the first start-of-frame. */
function jpegDimensions(view: DataView): { width: number; height: number } | undefined {
  let offset = 2;
  while (offset + 9 <= view.byteLength) {
    if (view.getUint8(offset) !== 0xff) return undefined;
    const marker = view.getUint8(offset + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(offset + 7), height: view.getUint16(offset + 5) };
    const standsAlone = marker === 0xff || (marker >= 0xd0 && marker <= 0xd9) || marker === 0x01;
    offset += marker === 0xff ? 1 : standsAlone ? 2 : 2 + view.getUint16(offset + 2);
  }
  return undefined;
}

function webpDimensions(view: DataView): { width: number; height: number } | undefined {
  const kind = String.fromCharCode(...[12, 13, 14, 15].map((i) => view.getUint8(i)));
  if (kind === 'VP8X') {
    const three = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    return { width: three(24) + 1, height: three(27) + 1 };
  }
  if (kind === 'VP8 ') {
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (kind === 'VP8L') {
    const packed = view.getUint32(21, true);
    return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
  }
  return undefined;
}
