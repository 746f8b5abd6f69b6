import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CLIP } from '@gpt-lineage/vision-clip';
import { CheckpointError, GptLineageError } from '../errors.js';

/** Writes an encoder into a folder named by its content. @returns the folder's name */
export async function writeEncoder(
  folder: string,
  clip: CLIP,
  dtype: 'F32' | 'F16' | 'BF16',
): Promise<string> {
  const temporary = join(folder, `.tmp-vision-${randomBytes(4).toString('hex')}`);
  try {
    await clip.save(temporary, { dtype });
    const name = `vision-${await contentOf(temporary)}`;
    const target = join(folder, name);
    if (await exists(target)) await rm(temporary, { recursive: true });
    else await rename(temporary, target);
    return name;
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw new CheckpointError(folder, `the image encoder cannot be written (${(cause as Error).message})`, {
      cause,
    });
  }
}

/** Removes encoders of earlier saves. */
export async function keepOnlyEncoder(folder: string, name: string): Promise<void> {
  const stale = (await readdir(folder)).filter(
    (entry) => /^vision-[0-9a-f]{8}$/.test(entry) && entry !== name,
  );
  for (const entry of stale) await rm(join(folder, entry), { recursive: true, force: true });
}

/** @throws {CheckpointError} missing, or changed since it was saved */
export async function openEncoder(folder: string, name: string): Promise<CLIP> {
  const path = join(folder, name);
  if (!(await exists(path))) throw new CheckpointError(folder, `its image encoder ${name} is missing`);
  if (`vision-${await contentOf(path)}` !== name) {
    throw new CheckpointError(path, 'does not match its checksum: the image encoder is damaged');
  }
  try {
    return await CLIP.load(path);
  } catch (cause) {
    if (!GptLineageError.isInstance(cause)) throw cause;
    throw new CheckpointError(path, cause.message, { cause });
  }
}

/** CRC-32 of all files, in the order of their names. */
async function contentOf(folder: string): Promise<string> {
  let sum = 0;
  for (const name of (await readdir(folder)).sort()) {
    for await (const chunk of createReadStream(join(folder, name))) sum = crc32(chunk as Buffer, sum);
  }
  return sum.toString(16).padStart(8, '0');
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
