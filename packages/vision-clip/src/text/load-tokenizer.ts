import { ByteLevelBPETokenizer, getEncoding } from '@gpt-lineage/tokenizer-bbpe';
import { CheckpointError } from '../errors.js';
import type { CLIP } from '../model/clip.js';

/** Tokens of CLIP's own vocabulary, start and end included. */
const clipVocabSize = 49_408;

/**
 * The tokenizer that belongs to a model: CLIP's own for models with its vocabulary of 49,408, else the
 * `tokenizer.json` found beside the weights.
 *
 * @throws {CheckpointError} when there is neither
 */
export async function loadTokenizer(clip: CLIP): Promise<ByteLevelBPETokenizer> {
  if (clip.config.text?.vocabSize === clipVocabSize) return getEncoding('clip');
  const json = clip.extraFiles.get('tokenizer.json');
  if (!json) {
    throw new CheckpointError('the model has its own vocabulary and no tokenizer.json beside its weights');
  }
  return ByteLevelBPETokenizer.fromTokenizerJSON(new TextDecoder().decode(json));
}
