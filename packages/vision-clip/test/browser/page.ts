// Runs inside the page; bundled by the test beside it.
import { initCompute } from '@gpt-lineage/compute';
import {
  CLIP,
  cropForEncoder,
  decodeImage,
  drawMarks,
  encodePng,
  ImageError,
  preprocess,
  type RawImage,
} from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';

async function digest(data: Uint8Array | Uint8ClampedArray): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new Uint8Array(data));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .slice(0, 16);
}

/** Everything at once: a page load costs more than all of it. */
async function run(base: string, backend: 'cpu' | 'wasm', files: string[], vit: string, rn: string) {
  const info = await initCompute({ prefer: backend, strict: true, wasmPath: `${base}/wasm/` });
  const decoded: Record<
    string,
    { width: number; height: number; channels: number; sha: string; crop: string }
  > = {};
  for (const name of files) {
    const image = await decodeImage(`${base}/fixtures/images/${name}`);
    const crop = cropForEncoder(image, { size: 32 });
    decoded[name] = {
      width: image.width,
      height: image.height,
      channels: image.channels,
      sha: await digest(image.data),
      crop: await digest(crop.data),
    };
  }
  const errors: Record<string, string> = {};
  for (const name of ['empty.png', 'text.png', 'entities.svg', 'truncated.png', 'bomb.png']) {
    try {
      await decodeImage(`${base}/hostile/${name}`);
      errors[name] = 'decoded';
    } catch (error) {
      errors[name] = error instanceof ImageError ? error.reason : String(error);
    }
  }
  const embed = async (location: string) => {
    using clip = await CLIP.load(`${base}/${location}`);
    const { imageSize } = clip.config.vision!;
    const values = Float32Array.from({ length: 3 * imageSize ** 2 }, (_, i) => Math.sin(i * 0.7) * 1.5);
    const image = clip.encodeImage({ data: values, shape: [3, imageSize, imageSize] });
    const text = clip.config.text ? clip.encodeText([[5, 9, 599]]) : undefined;
    return { image: Array.from(await image.data()), text: text ? Array.from(await text.data()) : undefined };
  };
  const models = { vit: await embed(vit), rn: await embed(rn) };
  const source: RawImage = {
    width: 100,
    height: 60,
    channels: 3,
    data: new Uint8Array(100 * 60 * 3).fill(128),
  };
  const { image: marked } = await drawMarks(source, [
    { kind: 'circle', center: [50, 30], radius: 20, color: 'red', lineWidth: 6 },
  ]);
  const roundTrip = await decodeImage(await encodePng(marked));
  const pixel = (x: number, y: number) =>
    Array.from(roundTrip.data.subarray((y * 100 + x) * 3, (y * 100 + x) * 3 + 3));
  return {
    backend: info.backend,
    decoded,
    errors,
    models,
    marks: { ring: pixel(30, 30), inside: pixel(50, 30) },
    shape: preprocess([source, source], { size: 16 }).shape,
    tensors: tf.memory().numTensors,
  };
}

Object.assign(globalThis, { run });
