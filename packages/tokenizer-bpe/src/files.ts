import { TokenizerFileError } from './errors.js';

/** Node's modules, asked for at run time: browsers do not have them, and bundlers must not look for them. */
function builtin<T>(name: string): T {
  const runtime = (globalThis as { process?: { getBuiltinModule?(name: string): unknown } }).process;
  const module = runtime?.getBuiltinModule?.(name);
  if (module === undefined) {
    throw new TokenizerFileError(
      'this runtime has no file system; use fromVocab and the vocab and merges properties instead',
    );
  }
  return module as T;
}

/**
 * Writes files to a folder, which is made when it is missing. Every file is first written under another name in the
 * same folder, then renamed, so that none is ever half-written.
 *
 * @throws {TokenizerFileError}
 */
export async function writeFolder(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const fs = builtin<typeof import('fs/promises')>('node:fs/promises');
  const path = builtin<typeof import('path')>('node:path');
  try {
    await fs.mkdir(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const target = path.join(folder, name);
      const temporary = `${target}.${globalThis.crypto.randomUUID().slice(0, 8)}.tmp`;
      try {
        const handle = await fs.open(temporary, 'wx');
        try {
          await handle.writeFile(content);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await fs.rename(temporary, target);
      } catch (error) {
        await fs.rm(temporary, { force: true });
        throw error;
      }
    }
  } catch (cause) {
    throw new TokenizerFileError(`cannot write to ${folder}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Reads files of a folder; those of `optional` may be missing.
 *
 * @throws {TokenizerFileError}
 */
export async function readFolder(
  folder: string,
  required: readonly string[],
  optional: readonly string[] = [],
): Promise<Record<string, string>> {
  const fs = builtin<typeof import('fs/promises')>('node:fs/promises');
  const path = builtin<typeof import('path')>('node:path');
  const files: Record<string, string> = {};
  for (const name of [...required, ...optional]) {
    try {
      files[name] = await fs.readFile(path.join(folder, name), 'utf8');
    } catch (cause) {
      if (optional.includes(name) && (cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new TokenizerFileError(`cannot read ${name} in ${folder}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  return files;
}
