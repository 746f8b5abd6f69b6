import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  commitSave,
  FolderInUseError,
  type FolderLock,
  finishSave,
  lockFolder,
} from '@gpt-lineage/tokenizer-bpe/folders';
import type { SafetensorsInput } from '@gpt-lineage/vision-clip/safetensors';
import {
  openSafetensors,
  openShardedSafetensors,
  writeSafetensorsFile,
} from '@gpt-lineage/vision-clip/safetensors/node';
import { CheckpointError } from '../errors.js';
import type { CheckpointReader, CheckpointWriter } from './files.js';
import { openPyTorchBin } from './pytorch-bin.node.js';

/** A checkpoint folder on disk. @throws {CheckpointError} no such folder */
export async function directoryReader(path: string): Promise<CheckpointReader> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw new CheckpointError(path, 'no such folder');
  if (!info.isDirectory())
    throw new CheckpointError(path, 'is a file; give the folder that holds config.json');
  await finishSave(path);
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
      if (await exists('pytorch_model.bin')) return openPyTorchBin(join(path, 'pytorch_model.bin'));
      return undefined;
    },
  };
}

const indexName = 'model.safetensors.index.json';
const weightsName = 'model.safetensors';

/** Writes a checkpoint, and files of one's own beside it, as one save. */
export interface DirectoryWriter extends CheckpointWriter {
  writeTensors(name: string, tensors: Record<string, SafetensorsInput>): Promise<void>;
  commit(): Promise<void>;
}

/**
 * Every file is written and flushed under a temporary name; `commit` renames them together, so that a process killed
 * at any moment leaves one whole save.
 *
 * @throws {CheckpointError} the folder cannot be made or written to
 * @throws {FolderInUseError} another process writes there
 */
export async function directoryWriter(path: string): Promise<DirectoryWriter> {
  const renames: Record<string, string> = {};
  const removals: string[] = [];
  const guarded = async <T>(name: string, write: () => Promise<T>): Promise<T> => {
    try {
      return await write();
    } catch (cause) {
      for (const temporary of Object.keys(renames)) await rm(join(path, temporary), { force: true });
      lock.release();
      throw new CheckpointError(join(path, name), `cannot be written (${(cause as Error).message})`, {
        cause,
      });
    }
  };
  let lock: FolderLock;
  try {
    await mkdir(path, { recursive: true });
    lock = lockFolder(path);
    await finishSave(path);
  } catch (cause) {
    if (cause instanceof FolderInUseError) throw cause;
    throw new CheckpointError(path, `the folder cannot be created (${(cause as Error).message})`, { cause });
  }
  /** Where to write what will be called `name`. */
  const pathFor = (name: string): string => {
    const temporary = `.${name}.${randomBytes(4).toString('hex')}.tmp`;
    renames[temporary] = name;
    return join(path, temporary);
  };
  return {
    path,
    writeText: (name, text) => guarded(name, () => flushed(pathFor(name), text)),
    writeTensors: (name, tensors) =>
      guarded(name, () => writeSafetensorsFile(pathFor(name), tensors, { metadata: { format: 'pt' } })),
    writeWeights: (tensors, metadata, maxShardBytes) =>
      guarded(weightsName, async () => {
        const shards = maxShardBytes === undefined ? [tensors] : shardsOf(tensors, maxShardBytes);
        const number = (n: number) => String(n).padStart(5, '0');
        const weightMap: Record<string, string> = {};
        for (const [at, shard] of shards.entries()) {
          const file =
            maxShardBytes === undefined
              ? weightsName
              : `model-${number(at + 1)}-of-${number(shards.length)}.safetensors`;
          await writeSafetensorsFile(pathFor(file), shard, { metadata });
          for (const name of Object.keys(shard)) weightMap[name] = file;
        }
        if (maxShardBytes !== undefined) {
          const index = { metadata: { total_size: totalBytes(tensors), ...metadata }, weight_map: weightMap };
          await flushed(pathFor(indexName), `${JSON.stringify(index, null, 2)}\n`);
        }
        // Weights of an earlier save in another division would be read in place of these.
        const written = new Set(Object.values(renames));
        const weights = /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/;
        removals.push(...(await readdir(path)).filter((file) => weights.test(file) && !written.has(file)));
      }),
    commit: async () => {
      await guarded('config.json', () => commitSave(path, { renames, removals }));
      lock.release();
    },
  };
}

const bytesOf = ({ shape }: SafetensorsInput): number =>
  4 * shape.reduce((product, size) => product * size, 1);

const totalBytes = (tensors: Record<string, SafetensorsInput>): number =>
  Object.values(tensors).reduce((total, tensor) => total + bytesOf(tensor), 0);

/** Tensors in their order, a new shard whenever the last one is full. */
function shardsOf(
  tensors: Record<string, SafetensorsInput>,
  maxShardBytes: number,
): Record<string, SafetensorsInput>[] {
  const shards: Record<string, SafetensorsInput>[] = [];
  let room = 0;
  for (const [name, input] of Object.entries(tensors)) {
    const bytes = bytesOf(input);
    if (shards.length === 0 || bytes > room) {
      shards.push({});
      room = maxShardBytes;
    }
    shards.at(-1)![name] = input;
    room -= bytes;
  }
  return shards;
}

const flushed = (path: string, text: string): Promise<void> =>
  writeFile(path, text, { flag: 'wx', flush: true });
