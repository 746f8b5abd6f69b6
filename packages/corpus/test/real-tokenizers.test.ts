import { join } from 'node:path';
import { getEncoding } from '@gpt-lineage/tokenizer-bbpe';
import { describe, expect, it } from 'vitest';
import { pipeline, TokenShardReader, writeTokenShards } from '../src/index.js';
import { fixtureRecords, fixtures } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary-folder.js';

const folder = temporaryFolder();

describe('with the tokenizers of the project', () => {
  it('GPT-2 shards decode to the texts, special tokens in text included', async () => {
    const tokenizer = await getEncoding('gpt2');
    const texts = [
      ...fixtureRecords('web.jsonl.gz').slice(0, 5),
      ...fixtureRecords('zh.jsonl.gz').slice(0, 5),
    ].map(({ text }) => text);
    texts.push('A text about <|endoftext|>, which ends nothing.');
    const shards = await writeTokenShards(texts, { directory: folder, tokenizer, endOfText: 50_256 });
    using reader = new TokenShardReader(
      shards.map(({ path }) => path),
      { tokenizer, verify: true },
    );
    expect(reader.dtype).toBe('uint16');
    for (const [i, text] of texts.entries()) {
      const tokenIds = [...reader.readDocument(i)];
      expect(tokenIds.at(-1)).toBe(50_256);
      expect(tokenizer.decode(tokenIds.slice(0, -1))).toBe(text);
    }
  });

  it('a pipeline by the name of an encoding', async () => {
    const manifest = await pipeline(
      {
        output: join(folder, 'out'),
        sources: [{ name: 'zh', files: 'zh.jsonl.gz' }],
        tokenizer: { encoding: 'cl100k_base' },
        shards: { tokens: 50_000 },
      },
      { baseDirectory: fixtures },
    );
    expect(manifest.tokenizer.endOfText).toBe(100_257);
    using reader = new TokenShardReader(join(folder, 'out'));
    expect(reader.dtype).toBe('uint32');
    expect(reader.readDocument(0).at(-1)).toBe(100_257);
    await expect(
      pipeline({ output: folder, sources: [{ name: 'zh', files: 'x' }], tokenizer: { encoding: 'gpt9' } }),
    ).rejects.toThrow(/tokenizer\.encoding/);
  });
});
