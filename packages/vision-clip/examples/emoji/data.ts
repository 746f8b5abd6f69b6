import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { decodeImage, type RawImage } from '@gpt-lineage/vision-clip';

export interface Emoji {
  readonly name: string;
  readonly tags: readonly string[];
  readonly group: string;
  readonly image: RawImage;
}

const data = (name: string): URL => new URL(`./data/${name}`, import.meta.url);

/** OpenMoji pictures with their names and tags, in the order of the metadata. CC BY-SA 4.0, see data/LICENSE.txt. */
export async function loadEmoji(): Promise<Emoji[]> {
  const files = untar(gunzipSync(readFileSync(data('images.tar.gz'))));
  const lines = readFileSync(data('metadata.jsonl'), 'utf8').trim().split('\n');
  return Promise.all(
    lines.map(async (line) => {
      const { file, name, tags, group } = JSON.parse(line) as Omit<Emoji, 'image'> & { file: string };
      const bytes = files.get(file.replace(/^images\//, ''));
      if (!bytes) throw new Error(`images.tar.gz has no ${file}`);
      return { name, tags, group, image: await decodeImage(bytes) };
    }),
  );
}

/** Regular files of a ustar archive by base name. */
function untar(archive: Uint8Array): Map<string, Uint8Array> {
  const text = (from: number, length: number) =>
    new TextDecoder().decode(archive.subarray(from, from + length)).replace(/\0.*$/s, '');
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const kind = text(at + 156, 1);
    if (kind === '0' || kind === '') {
      files.set(text(at, 100).split('/').at(-1)!, archive.subarray(at + 512, at + 512 + size));
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

/** Every tenth emoji that is no flag is held out: a flag's country cannot be guessed from other flags. */
export function split(emoji: readonly Emoji[]): { train: Emoji[]; heldOut: Emoji[] } {
  const train: Emoji[] = [];
  const heldOut: Emoji[] = [];
  let count = 0;
  for (const one of emoji) {
    if (one.group !== 'flags' && count++ % 10 === 9) heldOut.push(one);
    else train.push(one);
  }
  return { train, heldOut };
}

/** What a picture is called in full: its name, then its tags. */
export function caption({ name, tags }: Emoji): string {
  const words = tags.filter((tag) => tag !== name);
  return words.length > 0 ? `${name}: ${words.join(', ')}`.toLowerCase() : name.toLowerCase();
}
