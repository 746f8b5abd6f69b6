export interface EncodeTextOptions {
  /** Special tokens that are recognised in the text. Default: none, they are ordinary text. */
  readonly allowedSpecial?: 'all' | ReadonlySet<string>;
}

/** What a model needs of a tokenizer. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Equal for tokenizers that encode every text alike; stored with the weights and compared when loading. */
  readonly fingerprint: string;
  /** Id of the token that ends a document, when there is one. */
  readonly eosTokenId: number | null;
  encode(text: string, options?: EncodeTextOptions): number[];
  decode(tokenIds: readonly number[]): string;
  /** The bytes of one token; lets streams hold back characters that are not complete yet. */
  decodeBytes?(tokenIds: readonly number[]): Uint8Array;
  /** Content of the `tokenizer.json` of Hugging Face's tokenizers library. */
  toTokenizerJSON(): unknown;
}

/** 64-bit FNV-1a of the parts, as hex: tells tokenizers apart, is no protection against forgery. */
export function fingerprintOf(kind: string, parts: Iterable<string>): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  const mix = (byte: number) => {
    low = (low ^ byte) >>> 0;
    // times 0x100000001b3
    const product = low * 0x1b3;
    const carry = Math.floor(product / 0x100000000);
    high = (Math.imul(high, 0x1b3) + (low << 8) + carry) >>> 0;
    low = product >>> 0;
  };
  const encoder = new TextEncoder();
  for (const part of parts) {
    for (const byte of encoder.encode(part)) mix(byte);
    mix(0xff); // never part of UTF-8: separates the parts
  }
  const hex = (word: number) => word.toString(16).padStart(8, '0');
  return `${kind}:${hex(high)}${hex(low)}`;
}
