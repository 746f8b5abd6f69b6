import { loadCpu, loadWasm, loadWebGpu } from '../backends/portable.js';
import type { Platform } from './types.js';

export const platform: Platform = {
  name: 'browser',
  loaders: {
    tensorflow: async () => {
      throw new Error('native TensorFlow exists in Node only');
    },
    webgpu: () => loadWebGpu(),
    wasm: (options) => loadWasm(options, options.wasmPath),
    cpu: loadCpu,
  },
  env: () => undefined,
};
