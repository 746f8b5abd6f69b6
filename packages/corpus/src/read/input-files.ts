import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { glob } from 'tinyglobby';
import { ConfigError, FileError } from '../errors.js';

/** How the records of a file are laid out. */
export type FileFormat = 'text' | 'jsonl' | 'json' | 'csv' | 'tsv' | 'parquet';

/** One file to read. */
export interface InputFile {
  /** Absolute path, or an http(s) URL. */
  path: string;
  format: FileFormat;
}

const formats: Record<string, FileFormat> = {
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  csv: 'csv',
  tsv: 'tsv',
  parquet: 'parquet',
};

/** Removed before the format is read off the name. */
const compression = /\.(?:gz|zst|zstd)$/i;

export const isUrl = (path: string): boolean => /^https?:\/\//i.test(path);

/** Text is the default: source code and prose come with any extension. */
export function formatOf(path: string): FileFormat {
  const name = (isUrl(path) ? new URL(path).pathname : path).replace(compression, '');
  return formats[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'text';
}

/**
 * Files behind paths, folders (all files in them), globs and URLs, sorted by path, each once: the same inputs give
 * the same order on every machine.
 *
 * @throws {FileError} for a path that does not exist, {@link ConfigError} for a pattern that matches nothing
 */
export async function expandInputs(
  inputs: string | readonly string[],
  { format, cwd = process.cwd() }: { format?: FileFormat | undefined; cwd?: string } = {},
): Promise<InputFile[]> {
  const found = new Set<string>();
  for (const input of typeof inputs === 'string' ? [inputs] : inputs) {
    if (isUrl(input)) {
      found.add(input);
      continue;
    }
    const path = resolve(cwd, input);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isFile()) {
      found.add(path);
      continue;
    }
    const pattern = stats?.isDirectory() ? '**/*' : input;
    if (!stats && !/[*?[\]{}()!]/.test(input)) {
      throw new FileError(path, 'missing', 'does not exist; check the path');
    }
    const matches = await glob(pattern, { cwd: stats ? path : cwd, absolute: true, onlyFiles: true });
    if (matches.length === 0) {
      throw new ConfigError(
        'files',
        stats ? `${path} holds no files` : `no file matches ${input} (from ${cwd})`,
      );
    }
    for (const match of matches) found.add(resolve(match));
  }
  const sorted = [...found].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted.map((path) => ({ path, format: format ?? formatOf(path) }));
}
