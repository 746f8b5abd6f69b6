import { initCompute } from '@gpt-lineage/compute';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import * as tf from '@tensorflow/tfjs-core';

export type BrowserBackend = 'webgpu' | 'webgl' | 'wasm' | 'cpu';

export interface BackendInfo {
  readonly backend: BrowserBackend;
  readonly device: string;
}

let ready: Promise<BackendInfo> | undefined;
let asked: string | undefined;

/** Switches the engine of this worker. `auto`: WebGPU where there is a real one, else WebAssembly. */
export function selectBackend(name: BrowserBackend | 'auto'): Promise<BackendInfo> {
  if (ready && asked === name) return ready;
  asked = name;
  ready = start(name);
  ready.catch(() => {
    ready = undefined;
  });
  return ready;
}

interface Adapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
  /** Where browsers had it before. */
  readonly isFallbackAdapter?: boolean;
}

let pathsSet = false;

async function start(name: BrowserBackend | 'auto'): Promise<BackendInfo> {
  if (!pathsSet) {
    setWasmPaths({
      'tfjs-backend-wasm.wasm': plain,
      'tfjs-backend-wasm-simd.wasm': simd,
      'tfjs-backend-wasm-threaded-simd.wasm': threaded,
    });
    pathsSet = true;
  }
  if (name === 'webgl') {
    await import('@tensorflow/tfjs-backend-webgl');
    if (!(await tf.setBackend('webgl'))) throw new Error('This browser gives no WebGL to workers.');
    await tf.ready();
    return { backend: 'webgl', device: 'gpu' };
  }
  if (name === 'auto') {
    // A software adapter is slower than WebAssembly for models of this size.
    const gpu = (navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } }).gpu;
    const adapter = await gpu?.requestAdapter().catch(() => null);
    const software = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter ?? false;
    name = adapter && !software ? 'webgpu' : 'wasm';
  }
  const info = await initCompute({
    prefer: name,
    strict: name === 'webgpu',
  });
  return { backend: info.backend as BrowserBackend, device: info.device };
}
