import type { PromptPart } from '@gpt-lineage/gpt-core';

/** A decoded image, as gpt-core's multimodal prompts hold it. */
export type Image = Exclude<PromptPart, string>;

/**
 * A model that puts images and texts into one space, as CLIP does. Vectors need not have length 1.
 */
export interface ImageTextModel {
  readonly name: string;
  encodeImages(images: readonly Image[]): Promise<readonly Float32Array[]>;
  encodeTexts(texts: readonly string[]): Promise<readonly Float32Array[]>;
}

/** Scaled to length 1. */
export function normalized(vector: ArrayLike<number>): Float64Array {
  const copy = Float64Array.from(vector);
  const length = Math.hypot(...copy) || 1;
  return copy.map((value) => value / length);
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
