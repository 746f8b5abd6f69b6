import { defineConfig } from 'vitest/config';

export default defineConfig({
  // One worker for each core: the default keeps one core back, half the machine where there are two.
  test: { maxWorkers: '100%', projects: ['packages/*', 'apps/*', 'tools'] },
});
