import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig(
  library({
    entry: {
      index: 'src/index.ts',
      gpt2: 'src/encodings/gpt2.ts',
      r50k_base: 'src/encodings/r50k_base.ts',
      p50k_base: 'src/encodings/p50k_base.ts',
      cl100k_base: 'src/encodings/cl100k_base.ts',
      o200k_base: 'src/encodings/o200k_base.ts',
      clip: 'src/encodings/clip.ts',
      node: 'src/node/index.ts',
      worker: 'src/node/worker.ts',
    },
    // Entry points share their code, in CommonJS too: one class, and each encoding's data once.
    splitting: true,
    shims: true,
    // Source maps of the rank data would repeat it.
    sourcemap: false,
  }),
);
