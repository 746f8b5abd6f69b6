/**
 * Retrains `checkpoints/shakespeare-char`: nanoGPT's character-level model for a CPU. About five minutes on two cores
 * with native TensorFlow.
 *
 *     pnpm --filter @gpt-lineage/demo exec tsx recipes/shakespeare.ts [steps]
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const core = dirname(createRequire(import.meta.url).resolve('@gpt-lineage/gpt-core/package.json'));
const target = fileURLToPath(new URL('../checkpoints/shakespeare-char/', import.meta.url));
const run = mkdtempSync(join(tmpdir(), 'shakespeare-'));
const [steps = '2000'] = process.argv.slice(2);

const { status } = spawnSync(
  process.execPath,
  [
    join(core, 'dist/cli.js'),
    ...['pretrain', '--recipe', 'shakespeare-cpu', '--steps', steps, '--overwrite', '--out', run],
    ...['--text', join(core, 'data/tinyshakespeare.txt')],
  ],
  { stdio: 'inherit' },
);
if (status === 0) {
  mkdirSync(target, { recursive: true });
  for (const file of ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json']) {
    copyFileSync(join(run, file), join(target, file));
  }
  console.log(`saved in ${target}`);
}
rmSync(run, { recursive: true, force: true });
process.exitCode = status ?? 1;
