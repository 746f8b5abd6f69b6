import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Folder } from '../platform/types.js';
import { openUrlFolder } from '../platform/url-folder.js';
import { atomicWrite } from './atomic-write.js';
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
  return {
    location: path,
    readText: (name) => orUndefined(readFile(join(path, name), 'utf8')),
    readBytes: (name) => orUndefined(readFile(join(path, name))),
    openSource: (name) => orUndefined(openByteSource(join(path, name))),
    write: async (name, chunks) => {
      await mkdir(path, { recursive: true });
      await atomicWrite(join(path, name), async (file) => {
        for await (const chunk of chunks) await file.writeFile(chunk);
      });
    },
  };
}
