import { GptLineageError } from '@gpt-lineage/tokenizer-bpe';

/** The text holds a special token that `disallowedSpecial` names. */
export class SpecialTokenError extends GptLineageError {
  readonly code = 'tokenizer/special-token';
  readonly token: string;

  constructor(token: string) {
    super(
      `the text contains the special token ${JSON.stringify(token)}: name it in allowedSpecial to encode it as such, ` +
        'or leave disallowedSpecial out to treat it as plain text',
    );
    this.token = token;
  }
}

/** A `tokenizer.json` or pattern asks for something that this package does not do. */
export class UnsupportedTokenizerError extends GptLineageError {
  readonly code = 'tokenizer/unsupported';
}
