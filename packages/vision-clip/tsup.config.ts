import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig(
  library({
    entry: {
      index: 'src/index.ts',
      node: 'src/node/index.ts',
      browser: 'src/browser/index.ts',
      safetensors: 'src/safetensors/index.ts',
      'safetensors-node': 'src/node/safetensors.ts',
    },
  }),
);
