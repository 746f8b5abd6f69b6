/**
 * Turns token ids into text as they arrive. A character whose bytes are spread over several tokens is held back
 * until it is complete; `end` gives what is left, with U+FFFD for a character that was cut off. It never throws over
 * bytes, only over ids that do not exist.
 */
export class DecodeStream {
  readonly #bytesOf: (id: number) => Uint8Array;
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(bytesOf: (id: number) => Uint8Array) {
    this.#bytesOf = bytesOf;
  }

  /** @returns the text that has become complete, possibly empty */
  write(tokenIds: number | Iterable<number>): string {
    if (typeof tokenIds === 'number') return this.#decoder.decode(this.#bytesOf(tokenIds), { stream: true });
    let text = '';
    for (const id of tokenIds) text += this.#decoder.decode(this.#bytesOf(id), { stream: true });
    return text;
  }

  /** @returns what was held back; the stream can be used again afterwards */
  end(): string {
    return this.#decoder.decode();
  }
}
