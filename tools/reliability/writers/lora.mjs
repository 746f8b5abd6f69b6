import './cpu.mjs';
import { join } from 'node:path';
import { GPT, LoRA } from '@gpt-lineage/gpt-core';
import { loadLoRA } from '@gpt-lineage/gpt-core/node';
import { fill, oneVersion, small, valuesOf } from './versions.mjs';

export function open(path) {
  const model = GPT.create(small, { seed: 1 });
  const adapter = LoRA.attach(model, { rank: 4 });
  return {
    write: async (version) => {
      fill(adapter.variables, version);
      await adapter.save(join(path, 'adapter'));
    },
  };
}

export async function read(path) {
  const model = GPT.create(small, { seed: 1 });
  try {
    const adapter = await loadLoRA(model, join(path, 'adapter'));
    const values = valuesOf(adapter.variables);
    adapter.dispose();
    return oneVersion(values, 'the folder');
  } finally {
    model.dispose();
  }
}
