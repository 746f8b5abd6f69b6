import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadWasm, loadWebGpu } from '../backends/portable.js';
import type { LoadedBackend, LoadOptions } from '../platform/types.js';
import { resolveFromHereOrApp } from './resolve.js';

export async function loadWasmInNode(options: LoadOptions): Promise<LoadedBackend> {
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  return loadWasm(options, options.wasmPath ?? `${path.dirname(main)}${path.sep}`);
}

/** Dawn's Node bindings (npm `webgpu`) supply `navigator.gpu`; both packages are the application's choice. */
export async function loadWebGpuInNode(): Promise<LoadedBackend> {
  const backend = resolveFromHereOrApp('@tensorflow/tfjs-backend-webgpu');
  if (backend === undefined) throw new Error('@tensorflow/tfjs-backend-webgpu is not installed');
  const scope = globalThis as { navigator?: { gpu?: unknown } };
  if (scope.navigator?.gpu === undefined) {
    const dawn = resolveFromHereOrApp('webgpu');
    if (dawn === undefined) throw new Error("the npm package 'webgpu' (Dawn) is not installed");
    const { create, globals } = (await import(pathToFileURL(dawn).href)) as {
      create(flags: string[]): object;
      globals: object;
    };
    Object.assign(globalThis, globals);
    const gpu = create([]);
    if (scope.navigator === undefined) scope.navigator = { gpu };
    else Object.defineProperty(scope.navigator, 'gpu', { value: gpu, configurable: true });
  }
  return loadWebGpu(() => import(pathToFileURL(backend).href));
}
