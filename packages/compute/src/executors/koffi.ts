import { nodeProcess, requireOptional } from './host.js';

/** A native address. */
export type Pointer = unknown;

// biome-ignore lint/suspicious/noExplicitAny: signatures live in C declarations
export type NativeFunction = ((...args: any[]) => any) & { async: (...args: any[]) => void };

/** The part of koffi, which calls C functions, that we use. */
export interface Koffi {
  load(path: string | null): { func(declaration: string): NativeFunction };
  struct(name: string, fields: Record<string, string>): unknown;
  view(pointer: Pointer, bytes: number): ArrayBuffer;
  proto(declaration: string): unknown;
  decode(pointer: Pointer, type: unknown): NativeFunction;
  decode(pointer: Pointer, offset: number, type: string): Pointer;
}

/** `RTLD_NOW | RTLD_NODELETE` of dlopen(3). */
const NEVER_UNLOAD: Partial<Record<NodeJS.Platform, number>> = { linux: 0x2 | 0x1000, darwin: 0x2 | 0x80 };

/** koffi, where the optional dependency is installed. */
export function findKoffi(): Koffi | undefined {
  return requireOptional<Koffi>('koffi');
}

/** Copies bytes between native memory and arrays, in either direction. */
export type CopyMemory = (target: Pointer, source: Pointer, bytes: number) => void;

/**
 * C's own `memcpy` where the process has it by that name. An `ArrayBuffer` over native memory serves elsewhere, but stays
 * on the garbage collector's books: a few megabytes of them, and it runs.
 */
export function memoryCopier(koffi: Koffi): CopyMemory {
  const over = (memory: Pointer, bytes: number) =>
    ArrayBuffer.isView(memory)
      ? new Uint8Array(memory.buffer, memory.byteOffset, bytes)
      : new Uint8Array(koffi.view(memory, bytes));
  const byView: CopyMemory = (target, source, bytes) => over(target, bytes).set(over(source, bytes));
  if (NEVER_UNLOAD[(nodeProcess()?.platform ?? '') as NodeJS.Platform] === undefined) return byView;
  try {
    return koffi.load(null).func('void* memcpy(void*, const void*, size_t)');
  } catch {
    return byView;
  }
}

/**
 * Opens a library for the life of the process: Node closes the libraries that its add-ons opened before it ends, but
 * TensorFlow has registered exit handlers, and ONNX Runtime has threads; code that is gone by then would be run.
 */
export function openLibrary(path: string, koffi: Koffi): ReturnType<Koffi['load']> {
  const flags = NEVER_UNLOAD[(nodeProcess()?.platform ?? '') as NodeJS.Platform];
  if (flags !== undefined) koffi.load(null).func('void* dlopen(const char*, int)')(path, flags);
  return koffi.load(path);
}
