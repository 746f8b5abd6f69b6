/** What corpus needs of a tokenizer; those of `@gpt-lineage/tokenizer-bpe` and `-bbpe` fit as they are. */
export interface Tokenizer {
  /** Number of token ids: every id is below it. */
  readonly vocabSize: number;
  /** Changes when the same text would encode to other ids. */
  readonly fingerprint: string;
  encode(text: string): readonly number[] | Uint32Array | Uint16Array;
  decode(tokenIds: number[]): string;
}

/** What byte-level tokenizers have beside: nothing is a special token unless it is allowed. */
interface OrdinaryTokenizer {
  encodeOrdinary?: (text: string) => ArrayLike<number>;
  encodeToUint32?: (text: string) => Uint32Array;
}

/**
 * Encodes text in which nothing is a special token: a document that happens to contain `<|endoftext|>` must not end
 * there. Byte-level tokenizers have `encodeOrdinary` for it, and `encodeToUint32`, which spares an array of numbers.
 */
export function ordinaryEncoder(tokenizer: Tokenizer): (text: string) => ArrayLike<number> {
  const { encodeOrdinary, encodeToUint32 } = tokenizer as OrdinaryTokenizer;
  if (!encodeOrdinary) return (text) => tokenizer.encode(text);
  const encode = encodeToUint32 ?? encodeOrdinary;
  return (text) => encode.call(tokenizer, text);
}
