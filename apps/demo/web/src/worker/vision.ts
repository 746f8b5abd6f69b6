import type { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import {
  CLIP,
  decodeImage,
  loadTokenizer,
  type RawImage,
  RetrievalIndex,
  similarityMatrix,
  tokenize,
  ZeroShotClassifier,
} from '@gpt-lineage/vision-clip';
import * as tf from '@tensorflow/tfjs-core';
import { filesOf, folderOf } from './model-store.js';

export interface GalleryItem {
  readonly file: string;
  readonly emoji: string;
  readonly name: string;
}

interface Loaded {
  readonly clip: CLIP;
  readonly tokenizer: ByteLevelBPETokenizer;
}

const loaded = new Map<string, Promise<Loaded>>();
let index: { readonly id: string; readonly found: RetrievalIndex<GalleryItem> } | undefined;

export function loadClip(id: string): Promise<Loaded> {
  let entry = loaded.get(id);
  if (!entry) {
    entry = (async () => {
      await answerForMissingFiles(id);
      const clip = await CLIP.load(new URL(folderOf(id)));
      return { clip, tokenizer: await loadTokenizer(clip) };
    })();
    entry.catch(() => loaded.delete(id));
    loaded.set(id, entry);
  }
  return entry;
}

/**
 * A model folder is probed for many optional files. What the server does not list is answered here: a request for it
 * would be an error in the console.
 */
async function answerForMissingFiles(id: string): Promise<void> {
  const files = await filesOf(id);
  if (!files) return;
  const folder = folderOf(id);
  const ask = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    const missing = url.startsWith(folder) && !files.includes(decodeURIComponent(url.slice(folder.length)));
    return missing ? Promise.resolve(new Response(null, { status: 404 })) : ask(input, init);
  };
}

async function embedImages(clip: CLIP, images: readonly RawImage[]): Promise<tf.Tensor2D> {
  return clip.encodeImage(clip.preprocess(images));
}

/** Encodes every picture of a gallery sheet, once. */
export async function indexGallery(
  id: string,
  sheet: Blob,
  items: readonly GalleryItem[],
  columns: number,
  size: number,
  onProgress: (done: number, total: number) => void,
): Promise<number> {
  if (index?.id === id) return index.found.size;
  const { clip } = await loadClip(id);
  const picture = await decodeImage(sheet);
  const found = new RetrievalIndex<GalleryItem>(clip.config.embedDim);
  const batch = 32;
  for (let start = 0; start < items.length; start += batch) {
    const some = items.slice(start, start + batch);
    const tiles = some.map((_, at) => tile(picture, start + at, columns, size));
    const embeds = await embedImages(clip, tiles);
    await found.add(embeds, some);
    embeds.dispose();
    onProgress(Math.min(items.length, start + batch), items.length);
    await new Promise((resolve) => setTimeout(resolve));
  }
  index = { id, found };
  return found.size;
}

function tile(sheet: RawImage, at: number, columns: number, size: number): RawImage {
  const [left, top] = [(at % columns) * size, Math.floor(at / columns) * size];
  const { channels, width } = sheet;
  const data = new Uint8Array(size * size * channels);
  for (let row = 0; row < size; row++) {
    const from = ((top + row) * width + left) * channels;
    data.set(sheet.data.subarray(from, from + size * channels), row * size * channels);
  }
  return { width: size, height: size, channels, data };
}

export interface Found {
  readonly item: GalleryItem;
  readonly score: number;
}

/** The pictures that lie nearest to a text, or to another picture. */
export async function search(id: string, query: string | Blob, count: number): Promise<Found[]> {
  if (index?.id !== id) throw new Error('The gallery has not been read yet.');
  const { clip, tokenizer } = await loadClip(id);
  const embeds =
    typeof query === 'string'
      ? clip.encodeText(tokenize(query, tokenizer, clip.config.text!))
      : await embedImages(clip, [await decodeImage(query)]);
  const [results] = await index.found.search(embeds, count);
  embeds.dispose();
  return results!.map(({ item, score }) => ({ item, score }));
}

/** Which of some names fits a picture best. */
export async function classify(
  id: string,
  image: Blob,
  labels: readonly string[],
  template: string,
): Promise<{ label: string; probability: number }[]> {
  const { clip, tokenizer } = await loadClip(id);
  const classifier = await ZeroShotClassifier.create(clip, tokenizer, labels, {
    templates: [template.includes('{}') ? template : `${template} {}`],
  });
  try {
    const [ranking] = await classifier.classify(clip.preprocess(await decodeImage(image)));
    return ranking!.map(({ label, probability }) => ({ label, probability }));
  } finally {
    classifier.dispose();
  }
}

/** Cosines of every picture with every text: `[images][texts]`. */
export async function similarities(
  id: string,
  images: readonly Blob[],
  texts: readonly string[],
): Promise<number[][]> {
  const { clip, tokenizer } = await loadClip(id);
  const raw = await Promise.all(images.map((image) => decodeImage(image)));
  const imageEmbeds = await embedImages(clip, raw);
  const textEmbeds = clip.encodeText(tokenize([...texts], tokenizer, clip.config.text!));
  const matrix = similarityMatrix(imageEmbeds, textEmbeds);
  const rows = await matrix.array();
  tf.dispose([imageEmbeds, textEmbeds, matrix]);
  return rows;
}
