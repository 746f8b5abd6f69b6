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
      'platform.node': 'src/node/platform.ts',
      'platform.browser': 'src/browser/platform.ts',
    },
    // `#platform` stays an import: package.json maps it to the Node or the browser build.
    external: [/^#/],
    dts: { compilerOptions: { ignoreDeprecations: '6.0', customConditions: ['@gpt-lineage/source'] } },
  }),
);
