import { readFolder, writeFolder } from '@gpt-lineage/tokenizer-bpe/folders';
import { ByteLevelBPETokenizer } from '../byte-level-tokenizer.js';

/**
 * Writes `tokenizer.json`, complete or not at all.
 *
 * @throws {TokenizerFileError}
 */
export async function saveTokenizer(tokenizer: ByteLevelBPETokenizer, folder: string): Promise<void> {
  await writeFolder(folder, { 'tokenizer.json': JSON.stringify(tokenizer.toTokenizerJSON()) });
}

/**
 * Reads the `tokenizer.json` of a folder.
 *
 * @throws {TokenizerFileError} when it cannot be read
 * @throws {InvalidVocabularyError} {UnsupportedTokenizerError} as `fromTokenizerJSON`
 */
export async function loadTokenizer(folder: string): Promise<ByteLevelBPETokenizer> {
  const files = await readFolder(folder, ['tokenizer.json']);
  return ByteLevelBPETokenizer.fromTokenizerJSON(files['tokenizer.json']!);
}
