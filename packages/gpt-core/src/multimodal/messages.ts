import { type DecodeOptions, decodeImage, type RawImage } from '@gpt-lineage/vision-clip';
import { GptLineageError } from '../errors.js';
import { MultimodalInputError } from './errors.js';
import type { PromptPart } from './prompt.js';

/**
 * A message as OpenAI's APIs have it. Content is a text, or parts: `text`, `input_text`, `output_text` with `text`;
 * `image_url` with `image_url: { url }` (chat completions); `input_image` with `image_url: url` (responses); or
 * `image` with a decoded `image` (ours).
 */
export interface MultimodalMessage {
  readonly role: string;
  readonly content: string | readonly ContentPart[];
}

export type ContentPart =
  | { readonly type: 'text' | 'input_text' | 'output_text'; readonly text: string }
  | {
      readonly type: 'image_url';
      readonly image_url: string | { readonly url: string; readonly detail?: string };
    }
  | { readonly type: 'input_image'; readonly image_url: string; readonly detail?: string }
  | { readonly type: 'image'; readonly image: RawImage };

/** Fetches what a URL names: the bytes of an image file, or the image. */
export type ImageLoader = (url: string) => Promise<Uint8Array | RawImage>;

export interface ReadMessagesOptions extends Omit<DecodeOptions, 'maxBytes'> {
  /** Loads `http:`, `https:` and other URLs. Without one, only `data:` URLs are read: nothing is fetched by itself. */
  readonly loadImage?: ImageLoader;
  /** Largest image file. Default 20 MiB. */
  readonly maxImageBytes?: number;
  /** Most images of all messages together. Default 64. */
  readonly maxImages?: number;
}

/** A message whose images are decoded. */
export interface ReadMessage {
  readonly role: string;
  readonly parts: readonly PromptPart[];
}

/** A message of which images are known by where they are. */
export interface ParsedMessage {
  readonly role: string;
  readonly parts: readonly (PromptPart | ImageReference)[];
}

export interface ImageReference {
  readonly url: string;
  /** Where it stands in the messages */
  readonly field: string;
}

const textTypes = new Set(['text', 'input_text', 'output_text']);

/**
 * Checks messages and decodes their images, all before any model runs.
 *
 * @throws {MultimodalInputError} naming the field
 */
export async function readMessages(
  messages: readonly MultimodalMessage[],
  options: ReadMessagesOptions = {},
): Promise<ReadMessage[]> {
  const { maxImages = 64 } = options;
  const parsed = parseMessages(messages);
  const images = parsed.flatMap(({ parts }) => parts.filter((part) => typeof part !== 'string'));
  if (images.length > maxImages) {
    throw new MultimodalInputError(
      'messages',
      `hold ${images.length} images, and at most ${maxImages} are read (maxImages)`,
    );
  }
  const read: ReadMessage[] = [];
  for (const { role, parts } of parsed) {
    const own: PromptPart[] = [];
    for (const part of parts) {
      own.push(typeof part === 'object' && 'url' in part ? await readImage(part, options) : part);
    }
    read.push({ role, parts: own });
  }
  return read;
}

/** The messages' structure, checked; no image is decoded or fetched. @throws {MultimodalInputError} */
export function parseMessages(messages: readonly MultimodalMessage[]): ParsedMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new MultimodalInputError('messages', 'must be a list of at least one message');
  }
  return (messages as readonly MultimodalMessage[]).map((message, at) => {
    const field = `messages[${at}]`;
    if (typeof message?.role !== 'string') {
      throw new MultimodalInputError(`${field}.role`, 'must be a text such as "user"');
    }
    const { role, content } = message;
    if (typeof content === 'string') return { role, parts: [content] };
    if (!Array.isArray(content)) {
      throw new MultimodalInputError(`${field}.content`, 'must be a text or a list of parts');
    }
    const parts = content.map((part: unknown, index) => parsePart(part, `${field}.content[${index}]`));
    return { role, parts };
  });
}

function parsePart(part: unknown, field: string): PromptPart | ImageReference {
  const { type, text, image, image_url: value } = (part ?? {}) as Record<string, unknown>;
  if (textTypes.has(type as string)) {
    if (typeof text === 'string') return text;
    throw new MultimodalInputError(`${field}.text`, 'must be a text');
  }
  if (type === 'image') {
    if (ArrayBuffer.isView((image as Partial<RawImage> | undefined)?.data)) return image as RawImage;
    throw new MultimodalInputError(`${field}.image`, 'must be a decoded image');
  }
  if (type === 'image_url' || type === 'input_image') {
    const inner = typeof value === 'object' && value !== null;
    const url = inner ? (value as { url?: unknown }).url : value;
    const path = `${field}.image_url${inner ? '.url' : ''}`;
    if (typeof url !== 'string') throw new MultimodalInputError(path, 'must be a data: or http(s): URL');
    return { url, field: path };
  }
  throw new MultimodalInputError(
    `${field}.type`,
    `is ${JSON.stringify(type)?.slice(0, 40)}: write text, image_url, input_text, input_image or image`,
  );
}

/** Tells a list of messages from a list of texts and images. */
export function isMessages<Other>(
  value: Other | readonly MultimodalMessage[],
): value is readonly MultimodalMessage[] {
  const [first] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  return typeof first === 'object' && first !== null && 'role' in first;
}

async function readImage({ url, field }: ImageReference, options: ReadMessagesOptions): Promise<RawImage> {
  const { loadImage, maxImageBytes = 20 * 2 ** 20, maxImages: _, ...decode } = options;
  let source: Uint8Array | RawImage;
  if (/^data:/i.test(url)) source = dataUrlBytes(url, field, maxImageBytes);
  else if (loadImage) {
    try {
      source = await loadImage(url);
    } catch (cause) {
      throw new MultimodalInputError(field, `cannot be loaded (${(cause as Error).message})`, { cause });
    }
  } else {
    throw new MultimodalInputError(
      field,
      'is no data: URL, and URLs are not fetched by themselves: send the image as data:image/png;base64,…, or give loadImage',
    );
  }
  if (!(source instanceof Uint8Array)) return source;
  if (source.byteLength > maxImageBytes) throw tooLarge(field, source.byteLength, maxImageBytes);
  try {
    return await decodeImage(source, { ...decode, maxBytes: maxImageBytes });
  } catch (cause) {
    if (!GptLineageError.isInstance(cause)) throw cause;
    throw new MultimodalInputError(field, `is not an image that can be read (${cause.message})`, { cause });
  }
}

/** The bytes of a base64 data URL; its length is checked before anything is decoded. */
function dataUrlBytes(url: string, field: string, maxBytes: number): Uint8Array {
  const comma = url.indexOf(',');
  const head = comma < 0 ? '' : url.slice(5, Math.min(comma, 200));
  if (comma < 0 || !/;base64$/i.test(head)) {
    throw new MultimodalInputError(field, 'must read data:image/…;base64, and then the image');
  }
  const size = Math.floor(((url.length - comma - 1) * 3) / 4);
  if (size > maxBytes + 2) throw tooLarge(field, size, maxBytes);
  try {
    return Uint8Array.from(atob(url.slice(comma + 1)), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new MultimodalInputError(field, 'is not valid base64', { cause });
  }
}

function tooLarge(field: string, size: number, limit: number): MultimodalInputError {
  return new MultimodalInputError(field, `has ${size} bytes, over the limit of ${limit} (maxImageBytes)`);
}
