import { open, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ByteSource } from '../safetensors/byte-source.js';
import { SafetensorsError } from '../safetensors/errors.js';
import {
  type ReadSafetensorsOptions,
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsInfo,
} from '../safetensors/read.js';
import {
  type SafetensorsInput,
  safetensorsChunks,
  type WriteSafetensorsOptions,
} from '../safetensors/write.js';
import { atomicWrite } from './atomic-write.js';

/** A file read in ranges; close it when done. */
export async function openByteSource(path: string): Promise<ByteSource> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  return {
    name: path,
    size,
    read: async (offset, length) => {
      const buffer = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    },
    close: () => file.close(),
  };
}

/** Opens a `.safetensors` file for lazy reading. Close it when done. @throws {SafetensorsError} */
export async function openSafetensors(
  path: string,
  options: ReadSafetensorsOptions = {},
): Promise<SafetensorsFile> {
  const source = await openByteSource(path);
  try {
    return await readSafetensors(source, options);
  } catch (error) {
    await source.close?.();
    throw error;
  }
}

/**
 * Opens a sharded checkpoint (`model.safetensors.index.json`) as if it were one file. A shard name that leaves
 * the index's folder is refused.
 *
 * @throws {SafetensorsError}
 */
export async function openShardedSafetensors(
  indexPath: string,
  options: ReadSafetensorsOptions = {},
): Promise<SafetensorsFile> {
  let weightMap: unknown;
  try {
    weightMap = (JSON.parse(await readFile(indexPath, 'utf8')) as { weight_map?: unknown } | null)
      ?.weight_map;
  } catch (cause) {
    throw new SafetensorsError(indexPath, 'cannot be read as JSON', { cause });
  }
  if (typeof weightMap !== 'object' || weightMap === null) {
    throw new SafetensorsError(indexPath, 'has no "weight_map"');
  }
  const shards = new Map<string, SafetensorsFile>();
  const tensors = new Map<string, SafetensorsInfo>();
  const shardOf = new Map<string, SafetensorsFile>();
  const close = async () => {
    for (const shard of shards.values()) await shard.close();
  };
  try {
    for (const [name, shardName] of Object.entries(weightMap as Record<string, unknown>)) {
      if (typeof shardName !== 'string' || basename(shardName) !== shardName || shardName.startsWith('.')) {
        throw new SafetensorsError(name, `shard ${JSON.stringify(shardName)} is not a plain file name`);
      }
      let shard = shards.get(shardName);
      if (!shard) {
        shard = await openSafetensors(join(dirname(indexPath), shardName), options);
        shards.set(shardName, shard);
      }
      const info = shard.tensors.get(name);
      if (!info) throw new SafetensorsError(name, `the index says it is in ${shardName}; it is not`);
      tensors.set(name, info);
      shardOf.set(name, shard);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const shard = (name: string): SafetensorsFile => {
    const found = shardOf.get(name);
    if (!found) throw new SafetensorsError(name, `no such tensor in ${indexPath}`);
    return found;
  };
  return {
    tensors,
    metadata: new Map(),
    read: async (name) => shard(name).read(name),
    readFloat32: async (name, start, end) => shard(name).readFloat32(name, start, end),
    close,
  };
}

/**
 * Writes a `.safetensors` file tensor by tensor and atomically: a crash leaves the old file or the new one.
 *
 * @throws {SafetensorsError} when the data does not fit its dtype or shape; the old file is then untouched
 */
export async function writeSafetensorsFile(
  path: string,
  tensors: Readonly<Record<string, SafetensorsInput>>,
  options: WriteSafetensorsOptions = {},
): Promise<void> {
  await atomicWrite(path, async (file) => {
    for await (const chunk of safetensorsChunks(tensors, options)) {
      let done = 0;
      while (done < chunk.byteLength) {
        const { bytesWritten } = await file.write(chunk, done, chunk.byteLength - done);
        done += bytesWritten;
      }
    }
  });
}
