import { BPETokenizer } from '@gpt-lineage/tokenizer-bpe';
import { TokenizationError } from '../errors.js';
import type { Tokenizer } from './tokenizer.js';

interface Description {
  readonly model?: {
    readonly type?: string;
    readonly vocab?: Record<string, number>;
    readonly merges?: readonly (string | readonly string[])[];
    readonly end_of_word_suffix?: string | null;
    readonly unk_token?: string | null;
  };
  readonly normalizer?: { readonly type?: string } | null;
  /** Ours: how texts are prepared, where the library has no counterpart */
  readonly gpt_lineage?: { readonly preprocess?: string };
}

/** GPT-1's BPE over words, whose last part carries `</w>`, as a model sees it. */
export class WordTokenizer implements Tokenizer {
  readonly bpe: BPETokenizer;
  readonly vocabSize: number;
  readonly fingerprint: string;
  readonly eosTokenId: number | null;
  readonly #unknownToken: string;

  constructor(bpe: BPETokenizer, unknownToken = '<unk>') {
    this.bpe = bpe;
    this.vocabSize = bpe.vocabSize;
    this.fingerprint = bpe.fingerprint;
    this.eosTokenId = bpe.vocab['<|endoftext|>'] ?? null;
    this.#unknownToken = unknownToken;
  }

  /** Whether a `tokenizer.json` is of this kind. */
  static matches(json: unknown): boolean {
    const { model, normalizer } = (json ?? {}) as Description;
    const words = model?.type === 'BPE' && model.end_of_word_suffix === '</w>';
    return words && (normalizer === null || normalizer === undefined || normalizer.type === 'BertNormalizer');
  }

  /** @throws {TokenizationError} saved with a preprocessor of the caller's own */
  static fromTokenizerJSON(json: unknown): WordTokenizer {
    const { model, gpt_lineage } = json as Description;
    const preprocess = gpt_lineage?.preprocess ?? 'basic';
    if (preprocess !== 'basic' && preprocess !== 'lossless') {
      throw new TokenizationError(
        preprocess,
        `The tokenizer was saved with the preprocessor "${preprocess}": make it with that one and pass it as an option.`,
      );
    }
    const merges = (model?.merges ?? []).map((merge) =>
      typeof merge === 'string' ? merge : merge.join(' '),
    );
    const unknownToken = model?.unk_token ?? '<unk>';
    return new WordTokenizer(
      BPETokenizer.fromVocab(model?.vocab ?? {}, merges, { preprocess, unknownToken }),
      unknownToken,
    );
  }

  encode(text: string): number[] {
    return this.bpe.encode(text);
  }

  decode(tokenIds: readonly number[]): string {
    return this.bpe.decode(tokenIds);
  }

  toTokenizerJSON(): unknown {
    const { vocab } = this.bpe;
    const preprocess = this.bpe.preprocessor.name;
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: null,
      decoder: { type: 'BPEDecoder', suffix: '</w>' },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: this.#unknownToken in vocab ? this.#unknownToken : null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '</w>',
        fuse_unk: false,
        byte_fallback: false,
        vocab,
        merges: this.bpe.merges,
      },
      ...(preprocess === 'basic' ? {} : { gpt_lineage: { preprocess } }),
    };
  }
}
