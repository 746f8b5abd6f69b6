import { nodeProcess, requireOptional } from './host.js';

interface Libc {
  dup(fd: number): number;
  dup2(from: number, to: number): number;
  open(path: string, flags: number): number;
  close(fd: number): number;
}

/**
 * Runs `load` with the process's standard error going nowhere. TensorFlow prints a start-up banner before it reads
 * any setting that could silence it; what goes wrong while loading arrives as an exception all the same. Where the
 * C library cannot be reached, the banner stays.
 */
export function withoutStderr<T>(load: () => T): T {
  const libc = openLibc();
  const saved = libc?.dup(2) ?? -1;
  const nowhere = libc !== undefined && saved >= 0 ? libc.open('/dev/null', 1) : -1;
  if (libc === undefined || nowhere < 0) return load();
  libc.dup2(nowhere, 2);
  try {
    return load();
  } finally {
    libc.dup2(saved, 2);
    libc.close(saved);
    libc.close(nowhere);
  }
}

function openLibc(): Libc | undefined {
  const platform = nodeProcess()?.platform;
  if (platform !== 'linux' && platform !== 'darwin') return undefined;
  try {
    const koffi = requireOptional<{
      load(path: string): { func(prototype: string): (...args: never[]) => number };
    }>('koffi');
    const library = koffi?.load(platform === 'linux' ? 'libc.so.6' : 'libSystem.B.dylib');
    if (library === undefined) return undefined;
    const bind = (prototype: string) => library.func(prototype) as (...args: unknown[]) => number;
    return {
      dup: bind('int dup(int)'),
      dup2: bind('int dup2(int, int)'),
      open: bind('int open(const char *, int)'),
      close: bind('int close(int)'),
    };
  } catch {
    return undefined;
  }
}
