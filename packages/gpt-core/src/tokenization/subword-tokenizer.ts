import { ByteLevelBPETokenizer } from '@gpt-lineage/tokenizer-bbpe';
import type { EncodeTextOptions, Tokenizer } from './tokenizer.js';

/** What ends a document in the families' vocabularies. */
const endTokens = ['<|endoftext|>', '<|end_of_text|>', '</s>', '<eos>'];

/** A byte-level BPE of the tokenizer package as a model sees it. */
export class SubwordTokenizer implements Tokenizer {
  readonly bpe: ByteLevelBPETokenizer;
  readonly vocabSize: number;
  readonly fingerprint: string;
  readonly eosTokenId: number | null;

  constructor(bpe: ByteLevelBPETokenizer) {
    this.bpe = bpe;
    this.vocabSize = bpe.vocabSize;
    this.fingerprint = bpe.fingerprint;
    const end = endTokens.find((token) => bpe.specialTokens.has(token));
    this.eosTokenId = end === undefined ? null : bpe.specialTokens.get(end)!;
  }

  /** Learns a byte-level vocabulary from texts; `<|endoftext|>` is its end token unless others are given. */
  static async train(
    texts: Iterable<string> | AsyncIterable<string>,
    options: { readonly vocabSize: number; readonly specialTokens?: readonly string[] },
  ): Promise<SubwordTokenizer> {
    return new SubwordTokenizer(
      await ByteLevelBPETokenizer.train(texts, { specialTokens: ['<|endoftext|>'], ...options }),
    );
  }

  static fromTokenizerJSON(json: object): SubwordTokenizer {
    return new SubwordTokenizer(ByteLevelBPETokenizer.fromTokenizerJSON(json));
  }

  /** Special tokens in the text are text, unless `allowedSpecial` says otherwise. */
  encode(text: string, options: EncodeTextOptions = {}): number[] {
    const { allowedSpecial } = options;
    if (allowedSpecial === undefined) return this.bpe.encodeOrdinary(text);
    return this.bpe.encode(text, {
      allowedSpecial: allowedSpecial === 'all' ? 'all' : new Set(allowedSpecial),
    });
  }

  decode(tokenIds: readonly number[]): string {
    return this.bpe.decode(tokenIds);
  }

  decodeBytes(tokenIds: readonly number[]): Uint8Array {
    return this.bpe.decodeBytes(tokenIds);
  }

  toTokenizerJSON(): unknown {
    return this.bpe.toTokenizerJSON();
  }
}
