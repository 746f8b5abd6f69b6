/** What corpus needs of a tokenizer; those of `@gpt-lineage/tokenizer-bpe` and `-bbpe` fit as they are. */
export interface Tokenizer {
  /** Number of token ids: every id is below it. */
  readonly vocabSize: number;
  /** Changes when the same text would encode to other ids. */
  readonly fingerprint: string;
  encode(text: string): readonly number[] | Uint32Array | Uint16Array;
  decode(tokenIds: number[]): string;
}

/**
 * Encodes text in which nothing is a special token: a document that happens to contain `<|endoftext|>` must not end
 * there. Byte-level tokenizers have `encodeOrdinary` for it.
 */
export function ordinaryEncoder(tokenizer: Tokenizer): (text: string) => ArrayLike<number> {
  const { encodeOrdinary } = tokenizer as { encodeOrdinary?: (text: string) => ArrayLike<number> };
  return encodeOrdinary ? (text) => encodeOrdinary.call(tokenizer, text) : (text) => tokenizer.encode(text);
}
