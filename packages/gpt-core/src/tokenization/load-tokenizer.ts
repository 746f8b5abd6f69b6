import { TokenizationError } from '../errors.js';
import { ByteTokenizer } from './byte-tokenizer.js';
import { CharacterTokenizer } from './character-tokenizer.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * The tokenizer that a `tokenizer.json` describes.
 *
 * @throws {TokenizationError} a kind of tokenizer that no GPT uses
 */
export function tokenizerFromJSON(json: unknown): Tokenizer {
  const model = (json as { model?: { type?: unknown } } | null)?.model;
  if (model?.type === 'WordLevel') return CharacterTokenizer.fromTokenizerJSON(json);
  if (ByteTokenizer.matches(json)) return new ByteTokenizer();
  throw new TokenizationError(
    model?.type,
    `tokenizer.json describes a ${String(model?.type)} model; BPE and WordLevel can be loaded.`,
  );
}
