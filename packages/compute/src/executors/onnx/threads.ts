import { builtin, nodeProcess } from '../host.js';

/** The numbers of a list such as `0-3,8`. */
function numbersOf(list: string): number[] {
  return list
    .split(',')
    .filter((range) => /^\d+(-\d+)?$/.test(range))
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => first + i);
    });
}

/** The cores that this process may run on, as Linux tells them; 0 where it does not. Siblings on one core count once. */
export function coresOf(read: (path: string) => string): number {
  try {
    const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status'))?.[1] ?? '';
    const siblings = numbersOf(allowed).map((cpu) =>
      read(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`).trim(),
    );
    return new Set(siblings).size;
  } catch {
    return 0;
  }
}

let count: number | undefined;

/**
 * Threads for one operation of ONNX Runtime, 0 for its own choice. It reads the processor's own numbering, which makes one
 * core out of two on some virtual machines (AMD EPYC of the Zen 5 generation): half of the machine would stay idle.
 */
export function onnxThreads(): number {
  if (count === undefined) {
    const fs =
      nodeProcess()?.platform === 'linux'
        ? builtin<{ readFileSync: (path: string, encoding: 'utf8') => string }>('fs')
        : undefined;
    const os = builtin<{ availableParallelism(): number }>('os');
    const cores = fs === undefined ? 0 : coresOf((path) => fs.readFileSync(path, 'utf8'));
    // Newer versions of Node count a container's share of the processor.
    count = Math.min(cores, os?.availableParallelism() ?? cores);
  }
  return count;
}
