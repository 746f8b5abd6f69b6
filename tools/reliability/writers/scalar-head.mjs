import './cpu.mjs';
import { join } from 'node:path';
import { GPT } from '@gpt-lineage/gpt-core';
import { ScalarHeadModel } from '@gpt-lineage/trainer-rlhf';
import { fill, oneVersion, small, valuesOf } from './versions.mjs';

export function open(path) {
  const reward = ScalarHeadModel.create(GPT.create(small, { seed: 1 }));
  return {
    write: async (version) => {
      fill(reward.variables, version);
      await reward.save(join(path, 'reward'));
    },
  };
}

export async function read(path) {
  const reward = await ScalarHeadModel.load(join(path, 'reward'));
  const values = valuesOf(reward.variables);
  reward.dispose();
  return oneVersion(values, 'the folder');
}
