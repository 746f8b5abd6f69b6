import * as tf from '@tensorflow/tfjs-core';
import type { LoadedBackend, LoadOptions } from '../platform/types.js';
import { installFastWasmMatMul } from './wasm-matmul.js';

/** Plain JavaScript: slow, and always there. */
export async function loadCpu(): Promise<LoadedBackend> {
  const { version_cpu: version } = await import('@tensorflow/tfjs-backend-cpu');
  await activate('cpu');
  // The backend advertises tfjs-node at its first write; initCompute has already said what there is.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
  return { device: 'cpu', library: '@tensorflow/tfjs-backend-cpu', version, threads: 1 };
}

/** WebAssembly with SIMD where the engine has it, and threads in cross-origin isolated pages. */
export async function loadWasm(options: LoadOptions, wasmPath?: string): Promise<LoadedBackend> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  if (tf.engine().registry.wasm === undefined) {
    if (wasmPath !== undefined) wasm.setWasmPaths(wasmPath);
    if (options.threads !== undefined) wasm.setThreadsCount(options.threads);
  }
  installFastWasmMatMul();
  await activate('wasm');
  return {
    device: 'cpu',
    library: '@tensorflow/tfjs-backend-wasm',
    version: wasm.version_wasm,
    threads: wasm.getThreadsCount(),
  };
}

/** WebGPU through `navigator.gpu`, which the caller has made sure exists. */
export async function loadWebGpu(
  importBackend: () => Promise<unknown> = () => import('@tensorflow/tfjs-backend-webgpu'),
): Promise<LoadedBackend> {
  const gpu = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu;
  if (gpu === undefined) throw new Error('there is no navigator.gpu');
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new Error('WebGPU found no graphics adapter');
  const { version_webgpu: version } = (await importBackend()) as { version_webgpu?: string };
  await activate('webgpu');
  const info = adapter.info;
  const name = info?.description || info?.device || info?.vendor || 'unknown adapter';
  const software = info?.isFallbackAdapter === true || /llvmpipe|lavapipe|swiftshader/i.test(name);
  return {
    device: software ? 'cpu' : 'gpu',
    library: `@tensorflow/tfjs-backend-webgpu (${name})`,
    // tfjs publishes its backends together; this one does not tell its own version.
    version: version ?? tf.version_core,
  };
}

export async function activate(name: string): Promise<void> {
  if (!(await tf.setBackend(name))) throw new Error(`tfjs could not initialise its ${name} backend`);
  await tf.ready();
}

interface Gpu {
  requestAdapter(options: { powerPreference: string }): Promise<{
    info?: { description?: string; device?: string; vendor?: string; isFallbackAdapter?: boolean };
  } | null>;
}
