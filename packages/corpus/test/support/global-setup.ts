import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'tsup';

/** Where {@link setup} puts the built package; inside `node_modules`, so that its dependencies are found. */
export const builtFolder = join(import.meta.dirname, '..', '..', 'node_modules', '.test-build');

/** Builds the package once for the tests that need processes of their own: plain Node starts much faster than tsx. */
export async function setup(): Promise<void> {
  const folder = join(import.meta.dirname, '..', '..');
  await build({
    entry: {
      worker: join(folder, 'src/worker.ts'),
      cli: join(folder, 'src/cli/main.ts'),
      'pipeline-child': join(folder, 'test/support/pipeline-child.ts'),
    },
    config: false,
    outDir: builtFolder,
    format: ['esm'],
    platform: 'node',
    target: 'node20',
    dts: false,
    clean: true,
    silent: true,
    // Whatever folder the tests are started from: libraries stay imports, only our own packages are built in.
    skipNodeModulesBundle: true,
    noExternal: [/^@gpt-lineage\/tokenizer-bpe/],
    esbuildOptions(options) {
      options.conditions = ['@gpt-lineage/source'];
    },
  });
}

export function teardown(): void {
  rmSync(builtFolder, { recursive: true, force: true });
}
