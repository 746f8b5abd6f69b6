import { hasAlpha, type RawImage, toRgb } from '../preprocess/raw-image.js';
import { loadSharp } from './decode.js';

async function asSharp(image: RawImage) {
  const sharp = await loadSharp();
  const { width, height, channels, data } = channelsForSharp(image);
  return sharp(data, { raw: { width, height, channels } });
}

/** libvips takes a two-channel image for something else; it gets RGB instead. */
function channelsForSharp(image: RawImage): RawImage {
  if (image.channels !== 2) return image;
  const { width, height, data } = image;
  const out = new Uint8Array(width * height * 4);
  for (let from = 0, to = 0; from < data.length; from += 2, to += 4) {
    out.fill(data[from]!, to, to + 3);
    out[to + 3] = data[from + 1]!;
  }
  return { width, height, channels: 4, data: out };
}

/** Draws an SVG, made by us, over an image; rasterised by librsvg. Images without alpha stay without. */
export async function composite(image: RawImage, svg: string): Promise<RawImage> {
  const base = await asSharp(image.channels === 1 ? toRgb(image) : image);
  const { data, info } = await base
    .composite([{ input: Buffer.from(svg) }])
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const result: RawImage = { width: info.width, height: info.height, channels: info.channels as 3 | 4, data };
  return hasAlpha(image) ? result : toRgb(result);
}

/** The image as PNG bytes. */
export async function encodePng(image: RawImage): Promise<Uint8Array> {
  return new Uint8Array(await (await asSharp(image)).png().toBuffer());
}
