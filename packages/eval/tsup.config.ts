import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig(
  library({ entry: { index: 'src/index.ts', cli: 'src/cli/main.ts' }, platform: 'node', shims: true }),
);
