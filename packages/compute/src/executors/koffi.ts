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

/**
 * Opens a library for the life of the process: Node closes the libraries that its add-ons opened before it ends, but
 * TensorFlow has registered exit handlers, and ONNX Runtime has threads; code that is gone by then would be run.
 */
export function openLibrary(path: string, koffi: Koffi): ReturnType<Koffi['load']> {
  const flags = NEVER_UNLOAD[(nodeProcess()?.platform ?? '') as NodeJS.Platform];
  if (flags !== undefined) koffi.load(null).func('void* dlopen(const char*, int)')(path, flags);
  return koffi.load(path);
}
