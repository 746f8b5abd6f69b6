import type { RawImage } from '@gpt-lineage/vision-clip';
import { MultimodalInputError } from './errors.js';

/** A piece of text, or an image (`decodeImage` of the vision-clip package gives one). */
export type PromptPart = string | RawImage;

/** A text in which each `<image>` stands for the next image. */
export interface TextWithImages {
  readonly text: string;
  readonly images: readonly RawImage[];
  /** What stands for an image. Default `<image>`. */
  readonly marker?: string;
}

/**
 * What a multimodal model reads: text alone, text and images in any order, or a text with image marks. In the first
 * two forms `<image>` is ordinary text, so that nothing a user types can stand for an image.
 */
export type MultimodalPrompt = string | readonly PromptPart[] | TextWithImages;

/** Text that the model reads, with or without special tokens in it, or an image. */
export type Piece =
  | { readonly text: string; readonly special: boolean }
  | { readonly image: RawImage; readonly text?: undefined };

/**
 * Text and images in the order of the text's marks.
 *
 * @throws {MultimodalInputError} not one mark for each image
 */
export function interleave(text: string, images: readonly RawImage[], marker = '<image>'): PromptPart[] {
  if (marker === '') throw new MultimodalInputError('marker', 'is empty: give a text such as <image>');
  const texts = text.split(marker);
  if (texts.length - 1 !== images.length) {
    throw new MultimodalInputError(
      'images',
      `has ${count(images.length, 'image')}, and the text has ${count(texts.length - 1, 'mark')} ${marker}: ` +
        'give one image for each mark',
    );
  }
  return texts
    .flatMap((part, at) => (at === 0 ? [part] : [images[at - 1]!, part]))
    .filter((part) => part !== '');
}

/** @throws {MultimodalInputError} something that is neither text nor image */
export function partsOf(prompt: MultimodalPrompt, field = 'prompt'): PromptPart[] {
  if (typeof prompt === 'string') return [prompt];
  if (Array.isArray(prompt)) {
    return (prompt as readonly PromptPart[]).map((part, at) => {
      if (typeof part !== 'string') checkImage(part, `${field}[${at}]`);
      return part;
    });
  }
  const { text, images, marker } = prompt as TextWithImages;
  if (typeof text !== 'string' || !Array.isArray(images)) {
    throw new MultimodalInputError(field, 'must be a text, a list of texts and images, or { text, images }');
  }
  images.forEach((image, at) => {
    checkImage(image, `${field}.images[${at}]`);
  });
  return interleave(text, images, marker);
}

/** Parts as a caller gives them are plain text: no special tokens. */
export function piecesOf(parts: readonly PromptPart[]): Piece[] {
  return parts.map((part) => (typeof part === 'string' ? { text: part, special: false } : { image: part }));
}

function checkImage(image: unknown, field: string): void {
  const { width, height, data } = (image ?? {}) as Partial<RawImage>;
  if (typeof width !== 'number' || typeof height !== 'number' || !ArrayBuffer.isView(data)) {
    throw new MultimodalInputError(
      field,
      'is neither text nor a decoded image: decode files with decodeImage of @gpt-lineage/vision-clip',
    );
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
