import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Tests resolve workspace packages to their sources, so an edit is seen without a build. */
const conditions = ['@gpt-lineage/source', 'module', 'node', 'import', 'default'];

/** Vitest options every package starts from. Native TensorFlow cannot live in worker threads, hence forks. */
export function suite(name: string, test: ViteUserConfig['test'] = {}): ViteUserConfig {
  return defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      name,
      include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
      pool: 'forks',
      testTimeout: 60_000,
      hookTimeout: 120_000,
      ...test,
    },
  });
}
