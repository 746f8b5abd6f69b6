import type { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import type { TextConfig } from '../config.js';
import { ClipInputError } from '../errors.js';

/** The part of a tokenizer that is needed here. */
export type TextEncoderLike = Pick<ByteLevelBPETokenizer, 'encodeOrdinary'>;

export interface TokenizeOptions {
  /** Cut texts that are too long, keeping the end token in the last place, as OpenAI's `truncate=True`. Default `true`. */
  readonly truncate?: boolean;
}

/**
 * Texts as the text tower wants them: start token, ids, end token. Special tokens in the text are treated as text.
 *
 * @throws {ClipInputError} with `truncate: false`, when a text is longer than the context
 */
export function tokenize(
  texts: string | readonly string[],
  tokenizer: TextEncoderLike,
  config: TextConfig,
  options: TokenizeOptions = {},
): number[][] {
  const { contextLength, bosTokenId, eosTokenId } = config;
  return (typeof texts === 'string' ? [texts] : texts).map((text, i) => {
    const ids = tokenizer.encodeOrdinary(text);
    if (ids.length > contextLength - 2) {
      if (options.truncate === false) {
        throw new ClipInputError(
          `texts[${i}]`,
          `has ${ids.length} tokens, ${contextLength - 2} fit beside start and end: ${JSON.stringify(text.slice(0, 40))}`,
        );
      }
      ids.length = contextLength - 2;
    }
    return [bosTokenId, ...ids, eosTokenId];
  });
}
