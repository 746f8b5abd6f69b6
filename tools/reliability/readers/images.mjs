// The decoder of images, from a file of each format.
import { readFileSync } from 'node:fs';
import { decodeImage } from '@gpt-lineage/vision-clip';

const images = new URL('../../../packages/vision-clip/test/fixtures/images/', import.meta.url);
const files = {
  PNG: 'rgba.png',
  'PNG with a palette': 'palette.png',
  JPEG: 'exif6.jpg',
  'progressive JPEG': 'progressive.jpg',
  WebP: 'lossless.webp',
  GIF: 'animated.gif',
};

export const imageReaders = () =>
  Object.fromEntries(
    Object.entries(files).map(([format, file]) => [
      `image (${format})`,
      { good: readFileSync(new URL(file, images)), read: (variant) => decodeImage(variant) },
    ]),
  );
