// Search pictures by words: a CLIP embeds 300 emoji once, then finds the nearest to each query.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { initCompute } from '@gpt-lineage/compute';
import {
  CLIP,
  decodeImage,
  loadTokenizer,
  type RawImage,
  RetrievalIndex,
  tokenize,
} from '@gpt-lineage/vision-clip';

await initCompute();
const demo = new URL('../apps/demo/', import.meta.url);
const gallery = new URL('web/public/data/emoji/', demo);

/** One picture of the contact sheet. */
function cut(sheet: RawImage, index: number, size: number, columns: number): RawImage {
  const { channels } = sheet;
  const [left, top] = [(index % columns) * size, Math.floor(index / columns) * size];
  const data = new Uint8Array(size * size * channels);
  for (let row = 0; row < size; row++) {
    const from = ((top + row) * sheet.width + left) * channels;
    data.set(sheet.data.subarray(from, from + size * channels), row * size * channels);
  }
  return { width: size, height: size, channels, data };
}

interface Emoji {
  readonly emoji: string;
  readonly name: string;
}
const { size, columns, items } = JSON.parse(await readFile(new URL('index.json', gallery), 'utf8')) as {
  size: number;
  columns: number;
  items: Emoji[];
};
const sheet = await decodeImage(await readFile(new URL('sheet.webp', gallery)));

using clip = await CLIP.load(fileURLToPath(new URL('checkpoints/clip-emoji', demo)));
const tokenizer = await loadTokenizer(clip);
const index = new RetrievalIndex<Emoji>(clip.config.embedDim);
const shown = items.slice(0, 300);
for (let start = 0; start < shown.length; start += 50) {
  const batch = shown.slice(start, start + 50);
  const pixels = clip.preprocess(batch.map((_, i) => cut(sheet, start + i, size, columns)));
  const embeds = clip.encodeImage(pixels);
  await index.add(embeds, batch);
  embeds.dispose();
}

for (const query of ['smiling face', 'red heart', 'fish']) {
  const embeds = clip.encodeText(tokenize(query, tokenizer, clip.config.text!));
  const [results] = await index.search(embeds, 5);
  embeds.dispose();
  console.log(`${query}: ${results!.map(({ item }) => `${item.emoji} ${item.name}`).join(', ')}`);
}
