import { defineConfig, type Options } from 'tsup';
import { library } from '../../tsup.shared.js';

// `#platform` and `#gradients` stay imports: package.json maps them to the Node or the browser build.
const external = [/^#/, /^node:/];
const dts = { compilerOptions: { ignoreDeprecations: '6.0', customConditions: ['@gpt-lineage/source'] } };
const shared: Options = { clean: false, shims: true };

export default defineConfig([
  library({
    ...shared,
    external,
    dts,
    entry: {
      index: 'src/index.ts',
      testing: 'src/testing/index.ts',
      node: 'src/node/index.ts',
      'platform.node': 'src/platform/index.node.ts',
      'platform.browser': 'src/platform/browser.ts',
      'gradients.browser': 'src/gradients.browser.ts',
    },
  }),
  library({ ...shared, external, dts: false, format: 'esm', entry: { cli: 'src/cli/main.ts' } }),
  library({
    ...shared,
    dts: false,
    entry: { 'gradients.node': 'src/gradients.node.ts' },
    noExternal: [/^@tensorflow\/tfjs-core\/dist\//],
    external: [/^@tensorflow\/tfjs-core$/],
    platform: 'node',
    sourcemap: false,
    treeshake: false,
  }),
]);
