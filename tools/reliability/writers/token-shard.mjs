import { join } from 'node:path';
import { TokenShardReader, TokenShardWriter } from '@gpt-lineage/corpus';

export const open = (path) => ({
  async write(version) {
    const writer = new TokenShardWriter(join(path, 'x.tokens'), { vocabSize: 65_536 });
    try {
      for (let i = 0; i < 20; i++) writer.append(new Uint16Array(10_000).fill(version));
      await writer.finish();
    } catch (error) {
      writer.abort?.();
      throw error;
    }
  },
});

export async function read(path) {
  const reader = TokenShardReader.open(join(path, 'x.tokens'));
  const versions = new Set(reader.read(0, reader.tokenCount));
  reader[Symbol.dispose]?.();
  if (versions.size > 1) throw new Error(`the shard mixes versions ${[...versions].join(', ')}`);
  return [...versions][0];
}
