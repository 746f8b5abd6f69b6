import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commitSave, finishSave } from '@gpt-lineage/tokenizer-bbpe/node';
import type { Chunks, Folder } from '../platform/types.js';
import { openUrlFolder } from '../platform/url-folder.js';
import { unwritable, writeFlushed } from './atomic-write.js';
import { openByteSource } from './safetensors.js';

const isMissing = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
};

async function orUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** A folder on disk, or a remote one when given an http(s) URL. */
export async function openFolder(location: string | URL): Promise<Folder> {
  const text = String(location);
  if (/^https?:/i.test(text)) return openUrlFolder(text);
  const path = text.startsWith('file:') ? fileURLToPath(text) : text;
  await finishSave(path);
  return {
    location: path,
    readText: (name) => orUndefined(readFile(join(path, name), 'utf8')),
    readBytes: (name) => orUndefined(readFile(join(path, name))),
    openSource: (name) => orUndefined(openByteSource(join(path, name))),
    save: (files, removals) => save(path, files, removals),
  };
}

/** Every file under a temporary name first; then all of them take their places together. */
async function save(
  path: string,
  files: ReadonlyMap<string, Chunks>,
  removals: readonly string[] = [],
): Promise<void> {
  const renames: Record<string, string> = {};
  try {
    await mkdir(path, { recursive: true });
    await finishSave(path);
    for (const [name, chunks] of files) {
      const temporary = `.${name}.${randomBytes(4).toString('hex')}.tmp`;
      renames[temporary] = name;
      await writeFlushed(join(path, temporary), async (file) => {
        for await (const chunk of chunks) await file.writeFile(chunk);
      });
    }
    await commitSave(path, { renames, removals });
  } catch (error) {
    for (const temporary of Object.keys(renames)) await rm(join(path, temporary), { force: true });
    throw unwritable(path, error as Error);
  }
}
