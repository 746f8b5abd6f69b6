import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig(
  library({
    entry: { cli: 'src/cli/main.ts', 'job-runner': 'src/jobs/runner.ts' },
    format: ['esm'],
    platform: 'node',
    dts: false,
    // The web app's build lies in `dist/web`.
    clean: ['!web/**'],
  }),
);
