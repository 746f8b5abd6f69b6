import { defineConfig } from 'tsup';
import { library } from '../../tsup.shared.js';

export default defineConfig(
  library({
    entry: {
      index: 'src/index.ts',
      folders: 'src/folders/index.ts',
      original: 'src/original/index.ts',
      'text-fixing': 'src/text-fixing/index.ts',
    },
    // Entry points share their code, in CommonJS too.
    splitting: true,
  }),
);
