import { ExecutorError } from '../../capture/errors.js';
import { builtin, nodeProcess } from '../host.js';
import {
  type CopyMemory,
  findKoffi,
  type Koffi,
  memoryCopier,
  type NativeFunction,
  openLibrary,
  type Pointer,
} from '../koffi.js';

/**
 * Functions of ONNX Runtime's C API, by their places in its table (`OrtApi`). Those of its first version never move.
 * `path*` is a string in the system's own encoding. A result is a status: null is success.
 */
const declarations = {
  GetErrorMessage: [2, 'const char* (void*)'],
  CreateEnv: [3, 'void* (int, const char*, _Out_ void**)'],
  CreateSession: [7, 'void* (void*, path*, void*, _Out_ void**)'],
  CreateSessionFromArray: [8, 'void* (void*, const uint8_t*, size_t, void*, _Out_ void**)'],
  Run: [9, 'void* (void*, void*, const char**, void**, size_t, const char**, size_t, _Inout_ void**)'],
  CreateSessionOptions: [10, 'void* (_Out_ void**)'],
  SetSessionLogSeverityLevel: [22, 'void* (void*, int)'],
  SetSessionGraphOptimizationLevel: [23, 'void* (void*, int)'],
  SetIntraOpNumThreads: [24, 'void* (void*, int)'],
  CreateTensorWithDataAsOrtValue: [
    49,
    'void* (void*, void*, size_t, const int64_t*, size_t, int, _Out_ void**)',
  ],
  GetTensorMutableData: [51, 'void* (void*, _Out_ void**)'],
  GetTensorElementType: [60, 'void* (void*, _Out_ int*)'],
  GetDimensionsCount: [61, 'void* (void*, _Out_ size_t*)'],
  GetDimensions: [62, 'void* (void*, _Out_ int64_t*, size_t)'],
  GetTensorTypeAndShape: [65, 'void* (void*, _Out_ void**)'],
  CreateCpuMemoryInfo: [69, 'void* (int, int, _Out_ void**)'],
  ReleaseStatus: [93, 'void (void*)'],
  ReleaseSession: [95, 'void (void*)'],
  ReleaseValue: [96, 'void (void*)'],
  ReleaseTensorTypeAndShapeInfo: [99, 'void (void*)'],
  ReleaseSessionOptions: [100, 'void (void*)'],
  AddSessionConfigEntry: [130, 'void* (void*, const char*, const char*)'],
} as const;

type FunctionName = keyof typeof declarations;

/** The newest table of functions that is asked for: any library since 1.16 has it. */
const apiVersion = 16;

/** The library inside of the package `onnxruntime-node`, called directly. */
export class OnnxLibrary {
  readonly c: Readonly<Record<FunctionName, NativeFunction>>;
  readonly env: Pointer;
  /** Where tensors on a caller's memory live. */
  readonly memory: Pointer;
  readonly copy: CopyMemory;

  constructor(path: string, koffi: Koffi) {
    this.copy = memoryCopier(koffi);
    const base = openLibrary(path, koffi).func('void* OrtGetApiBase()')();
    const getApi = koffi.decode(koffi.decode(base, 0, 'void*'), koffi.proto('void* OrtGetApi(uint32_t)'));
    const table = getApi(apiVersion);
    if (table === null) throw new Error(`${path} has no API of version ${apiVersion}`);
    const pathType = nodeProcess()?.platform === 'win32' ? 'const char16_t*' : 'const char*';
    const entries = Object.entries(declarations).map(([name, [place, declaration]]) => {
      const prototype = declaration.replace('path*', pathType).replace('(', `Ort${name}(`);
      return [name, koffi.decode(koffi.decode(table, place * 8, 'void*'), koffi.proto(prototype))] as const;
    });
    this.c = Object.fromEntries(entries) as Record<FunctionName, NativeFunction>;
    const errorsOnly = 3;
    this.env = this.made('start', (out) => this.c.CreateEnv(errorsOnly, 'gpt-lineage', out));
    const [arena, cpu] = [1, 0];
    this.memory = this.made('describe memory', (out) => this.c.CreateCpuMemoryInfo(arena, cpu, out));
  }

  /** What a call puts into its last parameter. */
  made<T = Pointer>(what: string, call: (out: T[]) => Pointer): T {
    const out: T[] = [null as T];
    this.check(what, call(out));
    return out[0]!;
  }

  check(what: string, status: Pointer): void {
    if (status === null) return;
    const message: string = this.c.GetErrorMessage(status);
    this.c.ReleaseStatus(status);
    throw new ExecutorError('onnx', `ONNX Runtime could not ${what}: ${message}`);
  }
}

/**
 * Opens the library that lies in `onnxruntime-node`, or nothing where that or koffi is missing; the package's own
 * binding serves then. It copies every result once more, so that nothing can be updated in place.
 */
export function openOnnxLibrary(): OnnxLibrary | undefined {
  const path = locate();
  const koffi = path === undefined ? undefined : findKoffi();
  if (path === undefined || koffi === undefined) return undefined;
  try {
    return new OnnxLibrary(path, koffi);
  } catch {
    return undefined;
  }
}

const fileNames: Readonly<Record<string, RegExp>> = {
  linux: /^libonnxruntime\.so/,
  darwin: /^libonnxruntime\.[\d.]+\.dylib$/,
  win32: /^onnxruntime\.dll$/,
};

function locate(): string | undefined {
  const { platform = '', arch = '' } = nodeProcess() ?? {};
  const fs = builtin<typeof import('fs')>('fs');
  const module = builtin<typeof import('module')>('module');
  const path = builtin<typeof import('path')>('path');
  const pattern = fileNames[platform];
  if (fs === undefined || module === undefined || path === undefined || pattern === undefined) return;
  try {
    const entry = module.createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    const bin = path.join(path.dirname(entry), 'bin');
    for (const version of fs.readdirSync(bin)) {
      const folder = path.join(bin, version, platform, arch);
      const name = fs.existsSync(folder) && fs.readdirSync(folder).find((file) => pattern.test(file));
      if (name) return path.join(folder, name);
    }
  } catch {
    // Not installed, or laid out in another way.
  }
  return undefined;
}
