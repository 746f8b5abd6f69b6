import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SafetensorsInput } from '@gpt-lineage/vision-clip/safetensors';
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
    writeWeights: (tensors, metadata, maxShardBytes) =>
      guarded('model.safetensors', async () => {
        if (maxShardBytes === undefined) {
          await writeSafetensorsFile(join(path, 'model.safetensors'), tensors, { metadata });
          await rm(join(path, indexName), { force: true });
        } else await writeShards(path, tensors, metadata, maxShardBytes);
      }),
  };
}

const indexName = 'model.safetensors.index.json';

/** Shards first, then the index that names them; a single file of an earlier save goes last, as it would win. */
async function writeShards(
  path: string,
  tensors: Record<string, SafetensorsInput>,
  metadata: Record<string, string>,
  maxShardBytes: number,
): Promise<void> {
  const shards: Record<string, SafetensorsInput>[] = [];
  let room = 0;
  let total = 0;
  for (const [name, input] of Object.entries(tensors)) {
    const bytes = 4 * input.shape.reduce((product, size) => product * size, 1);
    total += bytes;
    if (shards.length === 0 || bytes > room) {
      shards.push({});
      room = maxShardBytes;
    }
    shards.at(-1)![name] = input;
    room -= bytes;
  }
  const weightMap: Record<string, string> = {};
  const number = (n: number) => String(n).padStart(5, '0');
  for (const [at, shard] of shards.entries()) {
    const file = `model-${number(at + 1)}-of-${number(shards.length)}.safetensors`;
    await writeSafetensorsFile(join(path, file), shard, { metadata });
    for (const name of Object.keys(shard)) weightMap[name] = file;
  }
  const index = { metadata: { total_size: total, ...metadata }, weight_map: weightMap };
  await atomicText(join(path, indexName), `${JSON.stringify(index, null, 2)}\n`);
  await rm(join(path, 'model.safetensors'), { force: true });
  const stale = (await readdir(path)).filter(
    (file) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(file) && !Object.values(weightMap).includes(file),
  );
  for (const file of stale) await rm(join(path, file), { force: true });
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
