/**
 * Takes the three models of trainer-rlhf's preference run over as `checkpoints/base`, `checkpoints/sft` and
 * `checkpoints/rlhf`, their weights in half precision.
 *
 *     pnpm --filter @gpt-lineage/demo exec tsx recipes/preferences.ts [runs]
 *
 * `runs` is the folder that holds the runs `base`, `sft` and `rlhf`; `packages/trainer-rlhf/recipes` makes them.
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SafetensorsInput } from '@gpt-lineage/vision-clip/safetensors';
import { openSafetensors, writeSafetensorsFile } from '@gpt-lineage/vision-clip/safetensors/node';

const checkpoints = fileURLToPath(new URL('../checkpoints/', import.meta.url));
const runs = resolve(
  process.argv[2] ?? fileURLToPath(new URL('../../../packages/trainer-rlhf/runs/', import.meta.url)),
);

for (const name of ['base', 'sft', 'rlhf']) {
  const [from, to] = [join(runs, name), join(checkpoints, name)];
  await mkdir(to, { recursive: true });
  for (const file of ['tokenizer.json', 'generation_config.json'])
    await copyFile(join(from, file), join(to, file));
  const config = JSON.parse(await readFile(join(from, 'config.json'), 'utf8')) as Record<string, unknown>;
  const half = { ...config, dtype: 'float16', torch_dtype: 'float16' };
  await writeFile(join(to, 'config.json'), `${JSON.stringify(half, null, 2)}\n`);
  const weights = await openSafetensors(join(from, 'model.safetensors'));
  const tensors: Record<string, SafetensorsInput> = {};
  for (const [tensor, { shape }] of weights.tensors)
    tensors[tensor] = { dtype: 'F16', shape, data: () => weights.readFloat32(tensor) };
  const fingerprint = weights.metadata.get('tokenizer_fingerprint');
  // Not the checksums: they are those of the full precision.
  const metadata = { format: 'pt', ...(fingerprint ? { tokenizer_fingerprint: fingerprint } : {}) };
  await writeSafetensorsFile(join(to, 'model.safetensors'), tensors, { metadata });
  await weights.close();
  console.log(`${name}: ${weights.tensors.size} tensors in ${to}`);
}
