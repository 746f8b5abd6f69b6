import { statSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { ConfigError } from '../errors.js';
import { expandInputs, type InputFile, isUrl } from '../read/input-files.js';
import type { ResolvedConfig } from './config.js';

/** A file of a group, with what tells whether it is still the same. */
export interface GroupFile extends InputFile {
  /** As it appears in ids and reports: relative to the base directory, with forward slashes. */
  name: string;
  /** Size and time of a local file: a changed file is read again. */
  stamp: string;
}

/** Files of one source that one task reads; the unit of work of every later stage. */
export interface Group {
  /** Position among all groups; part of file names. */
  index: number;
  /** Index into `config.sources`. */
  source: number;
  files: GroupFile[];
}

const smallFileBytes = 1 << 20;
const groupBytes = 4 << 20;
const groupFiles = 2000;

export const groupKey = (index: number): string => String(index).padStart(6, '0');

/** All input files, in order; small neighbours share a group. Depends on the files only, never on workers. */
export async function planGroups(config: ResolvedConfig, baseDirectory: string): Promise<Group[]> {
  const groups: Group[] = [];
  for (const [source, { name, files, format }] of config.sources.entries()) {
    const inputs = await expandInputs(files, { format, cwd: baseDirectory });
    if (inputs.length === 0) throw new ConfigError(`sources.${name}.files`, 'match no file');
    let current: Group | undefined;
    let bytes = 0;
    for (const input of inputs) {
      const stats = isUrl(input.path) ? undefined : statSync(input.path);
      const size = stats?.size ?? Number.POSITIVE_INFINITY;
      const file: GroupFile = {
        ...input,
        name: stats ? relative(baseDirectory, input.path).split(sep).join('/') : input.path,
        stamp: stats ? `${stats.size} ${stats.mtimeMs}` : '',
      };
      const joins =
        current !== undefined &&
        size <= smallFileBytes &&
        bytes + size <= groupBytes &&
        current.files.length < groupFiles;
      if (joins) {
        current!.files.push(file);
        bytes += size;
      } else {
        current = { index: groups.length, source, files: [file] };
        groups.push(current);
        bytes = size;
      }
    }
  }
  return groups;
}
