import { builtin } from '../executors/host.js';
import { ExportError } from './errors.js';

interface FileSystem {
  mkdirSync(path: string, options: { recursive: boolean }): void;
  mkdtempSync(prefix: string): string;
  openSync(path: string, flags: string): number;
  writeSync(file: number, data: Uint8Array, offset: number, length: number, position: number): number;
  fsyncSync(file: number): void;
  closeSync(file: number): void;
  renameSync(from: string, to: string): void;
  existsSync(path: string): boolean;
  rmSync(path: string, options: { recursive: boolean; force: boolean }): void;
}

export interface FilePart {
  readonly data: Uint8Array;
  readonly offset: number;
}

/** Files of an export by path relative to its folder; the content may come in parts at given offsets. */
export type ExportFiles = Readonly<Record<string, Uint8Array | readonly FilePart[]>>;

/**
 * Writes a folder as a whole: everything goes to a temporary folder beside it, reaches the disk, and takes its place by a
 * rename. A crash leaves the old folder or the new one.
 *
 * @throws {ExportError} outside Node, or when writing fails
 */
export function writeFolder(folder: string, files: ExportFiles): void {
  const fs = builtin<FileSystem>('fs');
  const path = builtin<{ dirname(path: string): string; resolve(path: string): string }>('path');
  if (fs === undefined || path === undefined) throw new ExportError('files are written in Node only');
  const target = path.resolve(folder);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const temporary = fs.mkdtempSync(`${target}.tmp-`);
  try {
    for (const [name, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(`${temporary}/${name}`), { recursive: true });
      const parts = content instanceof Uint8Array ? [{ data: content, offset: 0 }] : content;
      writeParts(fs, `${temporary}/${name}`, parts);
    }
    const old = `${temporary}-old`;
    if (fs.existsSync(target)) fs.renameSync(target, old);
    fs.renameSync(temporary, target);
    fs.rmSync(old, { recursive: true, force: true });
  } catch (error) {
    fs.rmSync(temporary, { recursive: true, force: true });
    throw new ExportError(`${folder} could not be written: ${(error as Error).message}`, { cause: error });
  }
}

function writeParts(fs: FileSystem, path: string, parts: readonly FilePart[]): void {
  const file = fs.openSync(path, 'w');
  try {
    for (const { data, offset } of parts) {
      let done = 0;
      while (done < data.length) done += fs.writeSync(file, data, done, data.length - done, offset + done);
    }
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}
