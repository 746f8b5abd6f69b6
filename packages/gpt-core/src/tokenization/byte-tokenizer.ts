import { TokenizationError } from '../errors.js';
import { fingerprintOf, type Tokenizer } from './tokenizer.js';

/**
 * One token per UTF-8 byte, id = byte, and id 256 to end a document. Encodes any text; a lone surrogate becomes
 * U+FFFD.
 */
export class ByteTokenizer implements Tokenizer {
  readonly vocabSize = 257;
  readonly eosTokenId = 256;
  readonly fingerprint = fingerprintOf('byte', ['utf-8', '<|endoftext|>']);

  encode(text: string): number[] {
    return Array.from(new TextEncoder().encode(text));
  }

  /** Incomplete or invalid UTF-8 becomes U+FFFD; the end token has no text. @throws {TokenizationError} bad id */
  decode(tokenIds: readonly number[]): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.decodeBytes(tokenIds));
  }

  decodeBytes(tokenIds: readonly number[]): Uint8Array {
    for (const id of tokenIds) {
      if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize) {
        throw new TokenizationError(id, `Token id ${id} is outside of the vocabulary of ${this.vocabSize}.`);
      }
    }
    return Uint8Array.from(tokenIds.filter((id) => id < 256));
  }

  /** A byte-level BPE without merges, which Hugging Face's tokenizers library reads. */
  toTokenizerJSON(): unknown {
    const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
    return {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [
        {
          id: 256,
          content: '<|endoftext|>',
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special: true,
        },
      ],
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries([
          ...Array.from({ length: 256 }, (_, byte) => [byteCharacter(byte), byte] as const),
          ['<|endoftext|>', 256],
        ]),
        merges: [],
      },
    };
  }

  /** Whether `tokenizer.json` is this tokenizer's. */
  static matches(json: unknown): boolean {
    const model = (
      json as { model?: { type?: unknown; vocab?: Record<string, unknown>; merges?: unknown } } | null
    )?.model;
    if (model?.type !== 'BPE' || !Array.isArray(model.merges) || model.merges.length > 0) return false;
    const { vocab } = model;
    if (typeof vocab !== 'object' || vocab === null || Object.keys(vocab).length !== 257) return false;
    return Array.from({ length: 256 }, (_, byte) => vocab[byteCharacter(byte)] === byte).every(Boolean);
  }
}

/** GPT-2's printable stand-in for a byte. */
function byteCharacter(byte: number): string {
  const printable = (b: number) =>
    (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
  if (printable(byte)) return String.fromCharCode(byte);
  let shift = 0;
  for (let b = 0; b < byte; b++) if (!printable(b)) shift += 1;
  return String.fromCharCode(256 + shift);
}
