import { UnknownTokenIdError } from '@gpt-lineage/tokenizer-bpe';
import { tokenBytes, type Vocabulary } from './vocabulary.js';

/** The bytes that token ids stand for, special tokens included. */
export class TokenBytes {
  /** One more than the highest id. */
  readonly vocabSize: number;
  readonly #vocabulary: Vocabulary;
  readonly #special = new Map<number, Uint8Array>();

  constructor(vocabulary: Vocabulary, specialTokens: ReadonlyMap<string, number>) {
    this.#vocabulary = vocabulary;
    let size = vocabulary.offsets.length - 1;
    for (const [token, id] of specialTokens) {
      this.#special.set(id, new TextEncoder().encode(token));
      size = Math.max(size, id + 1);
    }
    this.vocabSize = size;
  }

  /** @throws {UnknownTokenIdError} */
  of(id: number): Uint8Array {
    const vocabulary = this.#vocabulary;
    const token = id >= 0 && id < vocabulary.offsets.length - 1 ? tokenBytes(vocabulary, id) : undefined;
    return token !== undefined && token.length > 0 ? token : this.#specialOrThrow(id);
  }

  /** @throws {UnknownTokenIdError} */
  lengthOf(id: number): number {
    const { offsets } = this.#vocabulary;
    const length = id < offsets.length - 1 ? offsets[id + 1]! - offsets[id]! : 0;
    return length > 0 ? length : this.#specialOrThrow(id).length;
  }

  /** @throws {UnknownTokenIdError} */
  concatenate(tokenIds: Iterable<number>): Uint8Array {
    const { bytes, offsets } = this.#vocabulary;
    const size = offsets.length - 1;
    let out = new Uint8Array(256);
    let at = 0;
    for (const id of tokenIds) {
      const from = offsets[id];
      const length = from === undefined || id >= size ? 0 : offsets[id + 1]! - from;
      const token = length > 0 ? undefined : this.#specialOrThrow(id);
      const end = at + (token?.length ?? length);
      if (end > out.length) {
        const larger = new Uint8Array(Math.max(end, out.length * 2));
        larger.set(out);
        out = larger;
      }
      if (token !== undefined) out.set(token, at);
      else for (let i = 0; i < length; i++) out[at + i] = bytes[from! + i]!;
      at = end;
    }
    return out.slice(0, at);
  }

  #specialOrThrow(id: number): Uint8Array {
    const bytes = this.#special.get(id);
    if (bytes === undefined) throw new UnknownTokenIdError(id, this.vocabSize);
    return bytes;
  }
}
