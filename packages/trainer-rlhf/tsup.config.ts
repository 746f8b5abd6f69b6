import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig(
  library({ platform: 'node', entry: { index: 'src/index.ts', cli: 'src/cli/main.ts' } }),
);
