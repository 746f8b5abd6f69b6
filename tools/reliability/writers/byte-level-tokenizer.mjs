import { join } from 'node:path';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import { loadTokenizer, saveTokenizer } from '@gpt-lineage/tokenizer-bbpe/node';

export const open = (path) => ({
  async write(version) {
    const tokenizer = await ByteLevelBPETokenizer.train(['low lower lowest new newer newest'], {
      vocabSize: 270,
      specialTokens: [`<${version}>`],
    });
    await saveTokenizer(tokenizer, join(path, 'tokenizer'));
  },
});

export async function read(path) {
  const { specialTokens } = await loadTokenizer(join(path, 'tokenizer'));
  const [name] = specialTokens instanceof Map ? specialTokens.keys() : Object.keys(specialTokens);
  return Number(name.slice(1, -1));
}
