import { join } from 'node:path';
import { openSafetensors, writeSafetensorsFile } from '@gpt-lineage/vision-clip/safetensors/node';

const size = 2 ** 17;

export const open = (path) => ({
  write: (version) =>
    writeSafetensorsFile(join(path, 'x.safetensors'), {
      a: { dtype: 'F32', shape: [size], data: new Float32Array(size).fill(version) },
      b: { dtype: 'F32', shape: [4], data: new Float32Array(4).fill(version) },
    }),
});

export async function read(path) {
  const file = await openSafetensors(join(path, 'x.safetensors'));
  try {
    const [a, b] = [await file.readFloat32('a'), await file.readFloat32('b')];
    const values = new Set([a[0], a.at(-1), ...b]);
    if (values.size > 1) throw new Error(`the file mixes versions ${[...values].join(', ')}`);
    return a[0];
  } finally {
    await file.close?.();
  }
}
