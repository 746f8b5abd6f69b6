import * as tf from '@tensorflow/tfjs-core';
import type { CLIP } from '../model/clip.js';
import type { PixelValues } from '../preprocess/preprocess.js';

/** Normalised embeddings of many images, a batch at a time, `[count, embedDim]`; the caller's. */
export async function encodeImages(
  clip: CLIP,
  images: readonly PixelValues[],
  options: { readonly batchSize?: number; readonly signal?: AbortSignal } = {},
): Promise<tf.Tensor2D> {
  return encodeInBatches(images, options, (part) => clip.encodeImage(part));
}

/** Normalised embeddings of many tokenised texts, a batch at a time, `[count, embedDim]`; the caller's. */
export async function encodeTexts(
  clip: CLIP,
  texts: readonly (readonly number[])[],
  options: { readonly batchSize?: number; readonly signal?: AbortSignal } = {},
): Promise<tf.Tensor2D> {
  return encodeInBatches(texts, options, (part) => clip.encodeText(part));
}

async function encodeInBatches<T>(
  items: readonly T[],
  { batchSize = 64, signal }: { readonly batchSize?: number; readonly signal?: AbortSignal },
  encode: (part: readonly T[]) => tf.Tensor2D,
): Promise<tf.Tensor2D> {
  const parts: tf.Tensor2D[] = [];
  try {
    for (let start = 0; start < items.length; start += batchSize) {
      signal?.throwIfAborted();
      const part = encode(items.slice(start, start + batchSize));
      parts.push(part);
      await part.data(); // wait, so that a lazy backend does not queue everything at once
    }
    return tf.concat(parts, 0);
  } finally {
    tf.dispose(parts);
  }
}
