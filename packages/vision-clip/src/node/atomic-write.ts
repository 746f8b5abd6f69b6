import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GptLineageError } from '../lineage-error.js';
import { SafetensorsError } from '../safetensors/errors.js';

/** Writes a new file and flushes it to the disk. */
export async function writeFlushed(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Writes `path` so that a reader sees the old file or the new one, never a part: a temporary file in the same
 * folder, fsync, rename. The temporary file is removed when `write` throws.
 *
 * @throws {SafetensorsError} when the disk is full or the folder cannot be written to
 */
export async function atomicWrite(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await writeFlushed(temporary, write);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw unwritable(path, error as Error);
  }
}

/** A failure of the file system as ours; others as they are. */
export function unwritable(path: string, cause: Error): Error {
  if (GptLineageError.isInstance(cause) || !('syscall' in cause)) return cause;
  const problem = `cannot be written (${cause.message}): free space, or write elsewhere`;
  return new SafetensorsError(path, problem, { cause });
}
