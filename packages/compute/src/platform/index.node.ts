import { loadCpu } from '../backends/portable.js';
import { loadWasmInNode, loadWebGpuInNode } from '../node/portable.js';
import { loadTensorFlow } from '../node/tensorflow.js';
import type { Platform } from './types.js';

export const platform: Platform = {
  name: 'node',
  loaders: { tensorflow: loadTensorFlow, webgpu: loadWebGpuInNode, wasm: loadWasmInNode, cpu: loadCpu },
  env: (name) => process.env[name],
};
