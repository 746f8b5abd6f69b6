import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig([
  library({ entry: { index: 'src/index.ts', node: 'src/node/index.ts' } }),
  library({ entry: { cli: 'src/cli/main.ts' }, format: ['esm'], platform: 'node', dts: false, clean: false }),
]);
