import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import { TokenizationError } from '../errors.js';
import { ByteTokenizer } from './byte-tokenizer.js';
import { CharacterTokenizer } from './character-tokenizer.js';
import { SubwordTokenizer } from './subword-tokenizer.js';
import type { Tokenizer } from './tokenizer.js';
import { WordTokenizer } from './word-tokenizer.js';

/**
 * The tokenizer that a `tokenizer.json` describes.
 *
 * @throws {TokenizationError} a kind of tokenizer that no GPT uses
 */
export function tokenizerFromJSON(json: unknown): Tokenizer {
  const model = (json as { model?: { type?: unknown } } | null)?.model;
  if (model?.type === 'WordLevel') return CharacterTokenizer.fromTokenizerJSON(json);
  if (ByteTokenizer.matches(json)) return new ByteTokenizer();
  if (WordTokenizer.matches(json)) return WordTokenizer.fromTokenizerJSON(json);
  if (model?.type === 'BPE') return SubwordTokenizer.fromTokenizerJSON(json as object);
  throw new TokenizationError(
    model?.type,
    `tokenizer.json describes a ${String(model?.type)} model; BPE and WordLevel can be loaded.`,
  );
}

/**
 * The tokenizer of older checkpoints, which keep it in `vocab.json` and `merges.txt`: GPT-1's, where words end in
 * `</w>`, or a byte-level BPE.
 *
 * @throws {TokenizationError} not a vocabulary
 */
export function tokenizerFromVocabulary(vocab: unknown, merges: string): Tokenizer {
  if (typeof vocab !== 'object' || vocab === null) {
    throw new TokenizationError(vocab, 'vocab.json is not an object of tokens and ids.');
  }
  if (Object.keys(vocab).some((token) => token.endsWith('</w>'))) {
    return new WordTokenizer(BPETokenizer.fromVocab(vocab as Record<string, number>, merges));
  }
  const end = (vocab as Record<string, unknown>)['<|endoftext|>'];
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return SubwordTokenizer.fromTokenizerJSON({
    version: '1.0',
    added_tokens:
      typeof end === 'number'
        ? [
            {
              id: end,
              content: '<|endoftext|>',
              single_word: false,
              lstrip: false,
              rstrip: false,
              normalized: false,
              special: true,
            },
          ]
        : [],
    normalizer: null,
    pre_tokenizer: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      vocab,
      merges: merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version')),
    },
  });
}
