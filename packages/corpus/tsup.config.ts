import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig([
  // The build script empties the folder: two builds that both clean it would race.
  library({ platform: 'node', shims: true, treeshake: false, clean: false }),
  // The command line and the worker are programs, not modules to import: ESM only, no types.
  library({
    platform: 'node',
    entry: { cli: 'src/cli/main.ts', worker: 'src/worker.ts' },
    format: ['esm'],
    dts: false,
    clean: false,
    treeshake: false,
  }),
]);
