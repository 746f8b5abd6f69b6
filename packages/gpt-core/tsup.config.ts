import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig(
  library({ entry: { index: 'src/index.ts', node: 'src/node/index.ts', cli: 'src/cli/main.ts' } }),
);
