import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openSafetensors,
  openShardedSafetensors,
  writeSafetensorsFile,
} from '@gpt-lineage/vision-clip/safetensors/node';
import { CheckpointError } from '../errors.js';
import type { CheckpointReader, CheckpointWriter } from './files.js';

/** A checkpoint folder on disk. @throws {CheckpointError} no such folder */
export async function directoryReader(path: string): Promise<CheckpointReader> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new CheckpointError(path, 'no such folder');
  if (!info.isDirectory())
    throw new CheckpointError(path, 'is a file; give the folder that holds config.json');
  const exists = async (name: string) => (await stat(join(path, name)).catch(() => undefined)) !== undefined;
  return {
    path,
    readText: async (name) => {
      try {
        return await readFile(join(path, name), 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new CheckpointError(join(path, name), 'cannot be read', { cause: error });
      }
    },
    openWeights: async () => {
      if (await exists('model.safetensors')) return openSafetensors(join(path, 'model.safetensors'));
      const index = join(path, 'model.safetensors.index.json');
      if (await exists('model.safetensors.index.json')) return openShardedSafetensors(index);
      return undefined;
    },
  };
}

/** @throws {CheckpointError} the folder cannot be made or written to */
export async function directoryWriter(path: string): Promise<CheckpointWriter> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new CheckpointError(path, `the folder cannot be created (${(cause as Error).message})`, { cause });
  }
  const guarded = async (name: string, write: () => Promise<void>) => {
    try {
      await write();
    } catch (cause) {
      throw new CheckpointError(join(path, name), `cannot be written (${(cause as Error).message})`, {
        cause,
      });
    }
  };
  return {
    path,
    writeText: (name, text) => guarded(name, () => atomicText(join(path, name), text)),
    writeWeights: (tensors, metadata) =>
      guarded('model.safetensors', async () => {
        await writeSafetensorsFile(join(path, 'model.safetensors'), tensors, { metadata });
      }),
  };
}

/** Temporary file in the same folder, flushed, then renamed: a reader sees the old text or the new one. */
async function atomicText(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.${Date.now()}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
