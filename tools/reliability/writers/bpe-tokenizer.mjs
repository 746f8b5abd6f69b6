import { join } from 'node:path';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';

export const open = (path) => ({
  async write(version) {
    const tokenizer = await BPETokenizer.train(['low lower lowest new newer newest'], {
      vocabSize: 40,
      specialTokens: ['<unk>', `<${version}>`],
    });
    await tokenizer.save(join(path, 'bpe'));
  },
});

export async function read(path) {
  const { vocab } = await BPETokenizer.load(join(path, 'bpe'));
  const name = Object.keys(vocab).find((token) => /^<\d+>$/.test(token));
  return Number(name.slice(1, -1));
}
