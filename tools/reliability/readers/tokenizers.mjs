// Readers of vocabularies, merges and rank files.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CharacterTokenizer, tokenizerFromJSON } from '@gpt-lineage/gpt-core';
import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import { folderReader, textReader, valueReader } from './variants.mjs';

export async function tokenizerReaders(folder) {
  const path = (name) => join(folder, name);
  const texts = ['low lower lowest new newer newest'];
  const bytes = await ByteLevelBPETokenizer.train(texts, { vocabSize: 270 });
  const words = await BPETokenizer.train(texts, { vocabSize: 40 });
  await words.save(path('bpe'));
  const wordFiles = readdirSync(path('bpe'));
  for (const file of wordFiles) await words.save(path(`bpe-${file}`));
  const ranks = Array.from({ length: 258 }, (_, rank) => {
    const token = rank < 256 ? Buffer.from([rank]) : Buffer.from(rank === 256 ? 'lo' : 'low');
    return `${token.toString('base64')} ${rank}`;
  }).join('\n');
  const characters = CharacterTokenizer.train('abcd').toTokenizerJSON();
  return {
    'tokenizer.json': textReader(JSON.stringify(bytes.toTokenizerJSON()), (text) =>
      ByteLevelBPETokenizer.fromTokenizerJSON(text),
    ),
    'tokenizer of any kind': valueReader(JSON.stringify(characters), JSON.parse, tokenizerFromJSON),
    '.tiktoken': textReader(ranks, (text) =>
      ByteLevelBPETokenizer.fromTiktoken(text, { pattern: 'gpt2', specialTokens: {} }),
    ),
    ...Object.fromEntries(
      wordFiles.map((file) => [
        `GPT-1 ${file}`,
        folderReader(path(`bpe-${file}`), file, (at) => BPETokenizer.load(at)),
      ]),
    ),
  };
}
