import './cpu.mjs';
import { join } from 'node:path';
import { CharacterTokenizer, GPT } from '@gpt-lineage/gpt-core';
import { fill, oneVersion, small, valuesOf } from './versions.mjs';

export function open(path) {
  const model = GPT.create(small, { seed: 1, tokenizer: CharacterTokenizer.train('abcd'.repeat(2)) });
  return {
    write: async (version) => {
      fill(model.variables, version);
      // The config belongs to the weights: a folder with one version's of each would be neither.
      model.config.layerNormEpsilon = 1e-6 * (version + 1);
      await model.save(join(path, 'model'));
    },
  };
}

export async function read(path) {
  const model = await GPT.load(join(path, 'model'));
  const values = [...valuesOf(model.variables), Math.round(model.config.layerNormEpsilon * 1e6 - 1)];
  model.dispose();
  return oneVersion(values, 'the folder');
}
