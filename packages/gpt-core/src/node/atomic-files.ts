import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Names that a stopped process may leave behind; safe to delete. */
const TEMPORARY = /^\.tmp-/;

/** A name beside `path` that no reader looks at. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.tmp-${basename(path)}-${randomBytes(4).toString('hex')}`);
}

/**
 * Writes a file whole or not at all: temporary file in the same folder, flushed to disk, renamed. Makes the folder when
 * it is missing.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, content, { flush: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes a folder whole or not at all: `fill` writes into a temporary one, which is then renamed. */
export async function writeDirectoryAtomic(
  path: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    for (const name of await readdir(temporary)) await syncFile(join(temporary, name));
    await syncDirectory(temporary);
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Puts a second name of `from` at `to`, replacing what is there in one step; copies when links do not work. */
export async function linkAtomic(from: string, to: string): Promise<void> {
  const temporary = temporaryName(to);
  try {
    await link(from, temporary).catch(async () => {
      const { copyFile } = await import('node:fs/promises');
      await copyFile(from, temporary);
    });
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Deletes what killed processes left in a folder. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => []))
    if (TEMPORARY.test(name)) await rm(join(directory, name), { recursive: true, force: true });
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open folders; there a rename is durable without it.
  await syncFile(path).catch(() => undefined);
}
