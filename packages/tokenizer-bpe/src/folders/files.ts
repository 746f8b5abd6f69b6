import { TokenizerFileError } from '../errors.js';

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

/** Names a save that was decided but perhaps not finished: what is to be renamed, what removed. */
const PENDING = '.pending-save.json';

interface Save {
  /** From the temporary name to the final one. */
  readonly renames: Readonly<Record<string, string>>;
  readonly removals?: readonly string[];
}

/**
 * Puts files that stand in a folder under temporary names in their places, all of them or none: what is to be done is
 * written down first, and {@link finishSave} does the rest after a kill in between.
 */
export async function commitSave(folder: string, save: Save): Promise<void> {
  const fs = builtin<typeof import('fs/promises')>('node:fs/promises');
  const path = builtin<typeof import('path')>('node:path');
  const pending = path.join(folder, PENDING);
  const temporary = temporaryName(pending);
  await writeFlushed(temporary, JSON.stringify(save));
  await fs.rename(temporary, pending);
  await carryOut(folder, save);
}

/**
 * Finishes what a killed process had committed. Readers of a folder call it first; without such a save it does nothing.
 *
 * @throws {TokenizerFileError} when a save must be finished and the folder cannot be written to
 */
export async function finishSave(folder: string): Promise<void> {
  const fs = builtin<typeof import('fs/promises')>('node:fs/promises');
  const path = builtin<typeof import('path')>('node:path');
  const text = await fs.readFile(path.join(folder, PENDING), 'utf8').catch(() => undefined);
  if (text === undefined) return;
  try {
    const { renames, removals = [] } = JSON.parse(text) as Save;
    const names = [...Object.entries(renames).flat(), ...removals];
    // A file of this name that somebody else made must not move anything outside of the folder.
    if (names.some((name) => typeof name !== 'string' || path.basename(name) !== name)) return;
    await carryOut(folder, { renames, removals });
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof TypeError) return; // not ours
    throw new TokenizerFileError(
      `a save of ${folder} was interrupted and cannot be finished: ${(cause as Error).message}`,
      { cause },
    );
  }
}

async function carryOut(folder: string, { renames, removals = [] }: Save): Promise<void> {
  const fs = builtin<typeof import('fs/promises')>('node:fs/promises');
  const path = builtin<typeof import('path')>('node:path');
  for (const [from, to] of Object.entries(renames)) {
    await fs.rename(path.join(folder, from), path.join(folder, to)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error; // done already
    });
  }
  for (const name of removals) await fs.rm(path.join(folder, name), { force: true });
  await fs.rm(path.join(folder, PENDING), { force: true });
}

function temporaryName(target: string): string {
  return `${target}.${globalThis.crypto.randomUUID().slice(0, 8)}.tmp`;
}

async function writeFlushed(target: string, content: string): Promise<void> {
  const fs = builtin<typeof import('fs/promises')>('node:fs/promises');
  await fs.writeFile(target, content, { flag: 'wx', flush: true });
}

/**
 * Writes files to a folder, which is made when it is missing: all of them or none, and none half.
 *
 * @throws {TokenizerFileError}
 */
export async function writeFolder(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const fs = builtin<typeof import('fs/promises')>('node:fs/promises');
  const path = builtin<typeof import('path')>('node:path');
  const renames: Record<string, string> = {};
  try {
    await fs.mkdir(folder, { recursive: true });
    await finishSave(folder);
    try {
      for (const [name, content] of Object.entries(files)) {
        const temporary = temporaryName(name);
        renames[temporary] = name;
        await writeFlushed(path.join(folder, temporary), content);
      }
    } catch (error) {
      for (const temporary of Object.keys(renames))
        await fs.rm(path.join(folder, temporary), { force: true });
      throw error;
    }
    await commitSave(folder, { renames });
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
  await finishSave(folder);
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
