import type { Tokenizer } from '@gpt-lineage/gpt-core';

/** Texts are ids with spaces between them: any vocabulary size, and prompts of an exact length. */
export const numbersTokenizer = (vocabSize: number): Tokenizer => ({
  vocabSize,
  fingerprint: `numbers-${vocabSize}`,
  eosTokenId: null,
  encode: (text) => text.split(' ').filter(Boolean).map(Number),
  decode: (tokenIds) => tokenIds.join(' '),
  decodeBytes: (tokenIds) => new TextEncoder().encode(`${tokenIds.join(' ')} `),
  toTokenizerJSON: () => ({}),
});
