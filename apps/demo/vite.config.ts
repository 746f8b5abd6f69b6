import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defaultClientConditions, defineConfig, type Plugin } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Files of the packages that only Node can run are reached by dynamic imports; a page never calls those. */
function withoutNodeFiles(): Plugin {
  const stub = '\0node-only';
  return {
    name: 'without-node-files',
    enforce: 'pre',
    resolveId(id, importer) {
      const fromPackages = importer !== undefined && /[\\/](packages|@gpt-lineage)[\\/]/.test(importer);
      const nodeOnly =
        id.startsWith('node:') ||
        /\.node\.js$|[\\/]node[\\/][^\\/]+\.js$/.test(id) ||
        /^@gpt-lineage\/(corpus|[\w-]+\/(.+\/)?node)$/.test(id);
      return fromPackages && nodeOnly ? stub : null;
    },
    load: (id) => (id === stub ? 'export {};' : null),
  };
}

const api = process.env.GPT_LINEAGE_DEMO_SERVER ?? 'http://127.0.0.1:8000';

export default defineConfig({
  root: here('./web'),
  base: './',
  plugins: [withoutNodeFiles(), react()],
  resolve: {
    conditions: ['@gpt-lineage/source', ...defaultClientConditions],
    dedupe: ['@tensorflow/tfjs-core', 'react', 'react-dom'],
  },
  worker: { format: 'es', plugins: () => [withoutNodeFiles()] },
  build: {
    outDir: here('./dist/web'),
    emptyOutDir: true,
    target: 'es2022',
    // The page needs no inlined files, so a strict content security policy holds.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2_500,
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/v1', '/checkpoints', '/tokenize', '/detokenize', '/health'].map((path) => [path, api]),
    ),
  },
});
