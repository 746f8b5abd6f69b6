// Packs pictures of OpenMoji into one sheet for the search of the web app: every picture that the emoji CLIP was not
// trained on, and as many others, evenly spaced. From the repository's root:
//   npx tsx apps/demo/recipes/emoji-gallery.ts
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';

const require = createRequire(new URL('../../../packages/vision-clip/package.json', import.meta.url));
/** What is used of sharp, which belongs to vision-clip. */
interface Picture {
  flatten(options: { background: string }): Picture;
  resize(width: number, height: number): Picture;
  composite(tiles: readonly object[]): Picture;
  png(): Picture;
  webp(options: { quality: number }): Picture;
  toBuffer(): Promise<Uint8Array>;
  toFile(path: string): Promise<unknown>;
}
const sharp = require('sharp') as (input: Uint8Array | object) => Picture;

const data = new URL('../../../packages/vision-clip/examples/emoji/data/', import.meta.url);
const out = new URL('../web/public/data/emoji/', import.meta.url);
const size = 48;
const columns = 32;
const wanted = 640;

interface Entry {
  readonly file: string;
  readonly emoji: string;
  readonly name: string;
  readonly group: string;
}

const archive = gunzipSync(readFileSync(new URL('images.tar.gz', data)));
const files = new Map<string, Uint8Array>();
const text = (from: number, length: number) =>
  new TextDecoder().decode(archive.subarray(from, from + length)).replace(/\0.*$/s, '');
for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
  const bytes = Number.parseInt(text(at + 124, 12), 8);
  if (text(at + 156, 1) === '0')
    files.set(text(at, 100).split('/').at(-1)!, archive.subarray(at + 512, at + 512 + bytes));
  at += 512 + Math.ceil(bytes / 512) * 512;
}

const entries = readFileSync(new URL('metadata.jsonl', data), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Entry);
let count = 0;
const heldOut = new Set(entries.filter(({ group }) => group !== 'flags' && count++ % 10 === 9));
const others = entries.filter((entry) => !heldOut.has(entry) && entry.group !== 'flags');
const step = others.length / (wanted - heldOut.size);
const kept = new Set([
  ...heldOut,
  ...Array.from({ length: wanted - heldOut.size }, (_, at) => others[Math.floor(at * step)]!),
]);
const shown = entries.filter((entry) => kept.has(entry));

const tiles = await Promise.all(
  shown.map(async ({ file }, at) => ({
    input: await sharp(files.get(file.split('/').at(-1)!)!)
      .flatten({ background: '#ffffff' })
      .resize(size, size)
      .png()
      .toBuffer(),
    left: (at % columns) * size,
    top: Math.floor(at / columns) * size,
  })),
);
mkdirSync(out, { recursive: true });
const height = Math.ceil(shown.length / columns) * size;
await sharp({ create: { width: columns * size, height, channels: 3, background: '#ffffff' } })
  .composite(tiles)
  .webp({ quality: 90 })
  .toFile(new URL('sheet.webp', out).pathname);
const index = {
  size,
  columns,
  items: shown.map((entry) => ({
    file: entry.file,
    emoji: entry.emoji,
    name: entry.name,
    heldOut: heldOut.has(entry),
  })),
};
writeFileSync(new URL('index.json', out), `${JSON.stringify(index)}\n`);
console.log(`${shown.length} pictures, ${heldOut.size} of them not seen in training`);
