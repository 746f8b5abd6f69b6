import { builtin, nodeProcess, requireOptional } from '../host.js';

interface FileSystem {
  existsSync(path: string): boolean;
  readdirSync(path: string): string[];
  readFileSync(path: string, encoding: 'utf8'): string;
  realpathSync(path: string): string;
  statSync(path: string): { isDirectory(): boolean };
}

const names = ['libtensorflow_cc.so.2', 'libtensorflow.so.2', 'libtensorflow.so', 'libtensorflow_cc.2.dylib'];

function inFolder(fs: FileSystem, folder: string): string | undefined {
  for (const name of names) {
    const path = `${folder}/${name}`;
    if (fs.existsSync(path)) return fs.realpathSync(path);
  }
  return undefined;
}

/** A copy that some addon already loaded must be used again: two TensorFlows in a process do not get along. */
function alreadyLoaded(fs: FileSystem): string | undefined {
  try {
    const maps = fs.readFileSync('/proc/self/maps', 'utf8');
    return /\s(\/\S*\/libtensorflow(?:_cc)?\.so\.\d[.\d]*)$/m.exec(maps)?.[1];
  } catch {
    return undefined;
  }
}

function cacheFolders(fs: FileSystem): string[] {
  const env = nodeProcess()!.env;
  const root =
    env.GPT_LINEAGE_CACHE ??
    `${env.XDG_CACHE_HOME ?? `${env.HOME ?? env.USERPROFILE ?? '.'}/.cache`}/gpt-lineage`;
  if (!fs.existsSync(root)) return [];
  return fs
    .readdirSync(root)
    .filter((name) => name.startsWith('libtensorflow-'))
    .sort()
    .reverse()
    .map((name) => `${root}/${name}/lib`);
}

/**
 * Path of libtensorflow, in this order: `GPT_LINEAGE_LIBTENSORFLOW` (a file or its folder), a copy that is already in
 * the process, the cache that `install-native` fills, a tfjs-node that was installed the usual way.
 */
export function locateTensorFlow(): string | undefined {
  const fs = builtin<FileSystem>('fs');
  const process = nodeProcess();
  if (fs === undefined || process === undefined) return undefined;
  const named = process.env.GPT_LINEAGE_LIBTENSORFLOW;
  if (named === 'off') return undefined;
  if (named !== undefined && named !== '') {
    if (!fs.existsSync(named)) return undefined;
    return fs.statSync(named).isDirectory() ? inFolder(fs, named) : named;
  }
  const loaded = alreadyLoaded(fs);
  if (loaded !== undefined) return loaded;
  for (const folder of cacheFolders(fs)) {
    const path = inFolder(fs, folder);
    if (path !== undefined) return path;
  }
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    const folder = packageFolder(name);
    const path = folder === undefined ? undefined : inFolder(fs, `${folder}/deps/lib`);
    if (path !== undefined) return path;
  }
  return undefined;
}

function packageFolder(name: string): string | undefined {
  const module = requireOptional<{ _resolveFilename(name: string, parent: unknown): string }>('node:module');
  try {
    return module?._resolveFilename(`${name}/package.json`, null).replace(/[\\/]package\.json$/, '');
  } catch {
    return undefined;
  }
}
