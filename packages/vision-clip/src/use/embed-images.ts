import * as tf from '@tensorflow/tfjs-core';
import { platform } from '#platform';
import { ClipInputError } from '../errors.js';
import type { CLIP } from '../model/clip.js';
import type { DecodeOptions, ImageSource } from '../platform/types.js';
import type { PixelValues } from '../preprocess/preprocess.js';
import type { RawImage } from '../preprocess/raw-image.js';

export interface EmbedImagesOptions extends DecodeOptions {
  /** Images encoded at once. Default 8. */
  readonly batchSize?: number;
  /** Batches in work at once: while one is encoded, the next are decoded and resized. Default 3. */
  readonly batchesInFlight?: number;
  /** `compileEncoders(clip).encodeImage`, several times as fast as the default: `clip.encodeImage`. */
  readonly encode?: (pixels: tf.Tensor4D) => tf.Tensor2D | Promise<tf.Tensor2D>;
  readonly signal?: AbortSignal;
}

/** Embeddings of images that follow each other. */
export interface ImageEmbeddings {
  /** Position of the first of them among all images. */
  readonly first: number;
  /** `[images, embedDim]` row by row. */
  readonly data: Float32Array;
  readonly shape: readonly [number, number];
}

/**
 * Image files to embeddings, in order and a batch at a time: decoded, prepared as the model wants them, encoded.
 * Memory holds the batches in flight, however many images there are.
 *
 * @param sources files, URLs, bytes, or decoded images
 * @throws {ImageError} a file that cannot be read
 * @throws {ClipInputError} an option out of range
 */
export async function* embedImages(
  clip: CLIP,
  sources: Iterable<ImageSource | RawImage> | AsyncIterable<ImageSource | RawImage>,
  options: EmbedImagesOptions = {},
): AsyncGenerator<ImageEmbeddings, void, undefined> {
  const { batchSize = 8, batchesInFlight = 3, signal } = options;
  atLeastOne('batchSize', batchSize);
  atLeastOne('batchesInFlight', batchesInFlight);
  const pending: Promise<ImageEmbeddings>[] = [];
  const start = (first: number, group: readonly (ImageSource | RawImage)[]) => {
    const batch = embedBatch(clip, first, group, options);
    batch.catch(() => {}); // It is thrown when its turn comes, or never, when an earlier one failed.
    pending.push(batch);
  };
  let group: (ImageSource | RawImage)[] = [];
  let first = 0;
  try {
    for await (const source of sources) {
      signal?.throwIfAborted();
      group.push(source);
      if (group.length < batchSize) continue;
      start(first, group);
      first += group.length;
      group = [];
      if (pending.length >= batchesInFlight) yield await pending.shift()!;
    }
    if (group.length > 0) start(first, group);
    while (pending.length > 0) {
      signal?.throwIfAborted();
      yield await pending.shift()!;
    }
  } finally {
    await Promise.allSettled(pending);
  }
}

async function embedBatch(
  clip: CLIP,
  first: number,
  group: readonly (ImageSource | RawImage)[],
  { encode = (pixels) => clip.encodeImage(pixels), batchSize = 8, ...decode }: EmbedImagesOptions,
): Promise<ImageEmbeddings> {
  const images = await Promise.all(
    group.map((source) => (isRaw(source) ? source : platform.decodeImage(source, decode))),
  );
  const pixels = fullBatch(clip.preprocess(images), batchSize);
  let embeds: tf.Tensor2D | undefined;
  try {
    embeds = await encode(pixels);
    const [, embedDim] = embeds.shape;
    const data = (await embeds.data()) as Float32Array;
    return { first, data: data.slice(0, group.length * embedDim), shape: [group.length, embedDim] };
  } finally {
    pixels.dispose();
    embeds?.dispose();
  }
}

/** Filled up with grey images: a compiled encoder is compiled for one shape. */
function fullBatch({ data, shape }: PixelValues, batchSize: number): tf.Tensor4D {
  const [channels, height, width] = shape.slice(-3) as [number, number, number];
  const size = batchSize * channels * height * width;
  let full = data;
  if (data.length < size) {
    full = new Float32Array(size);
    full.set(data);
  }
  return tf.tensor4d(full, [batchSize, channels, height, width]);
}

function isRaw(source: ImageSource | RawImage): source is RawImage {
  return typeof source === 'object' && 'channels' in source;
}

function atLeastOne(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new ClipInputError(name, `must be a whole number above zero, received ${value}`);
  }
}
