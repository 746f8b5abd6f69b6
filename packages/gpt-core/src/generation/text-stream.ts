import { InvalidArgumentError } from '../errors.js';
import type { Tokenizer } from '../tokenization/tokenizer.js';

/**
 * Text of a growing token sequence, piece by piece. Nothing is given out before its characters are complete: a token
 * may end in the middle of a UTF-8 sequence.
 */
export class TokenTextDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #bytes: TextDecoder | undefined;
  // For tokenizers without bytes: a window of tokens whose text begins at `#start` and is read up to `#read`.
  readonly #ids: number[] = [];
  #start = 0;
  #read = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#bytes = tokenizer.decodeBytes ? new TextDecoder('utf-8', { ignoreBOM: true }) : undefined;
  }

  /** Text that this token completes; may be empty. */
  push(tokenId: number): string {
    if (this.#bytes) return this.#bytes.decode(this.#tokenizer.decodeBytes!([tokenId]), { stream: true });
    this.#ids.push(tokenId);
    // A token's text may depend on the one before it, so the window overlaps by the last tokens that were given out.
    const known = this.#tokenizer.decode(this.#ids.slice(this.#start, this.#read));
    const text = this.#tokenizer.decode(this.#ids.slice(this.#start));
    if (text.endsWith('\ufffd') || !text.startsWith(known)) return '';
    this.#start = this.#read;
    this.#read = this.#ids.length;
    return text.slice(known.length);
  }

  /** What is left when no token follows; an incomplete character becomes U+FFFD. */
  flush(): string {
    if (this.#bytes) return this.#bytes.decode();
    const known = this.#tokenizer.decode(this.#ids.slice(this.#start, this.#read));
    const text = this.#tokenizer.decode(this.#ids.slice(this.#start));
    this.#start = this.#read = this.#ids.length;
    return text.startsWith(known) ? text.slice(known.length) : text;
  }
}

/**
 * Cuts a text at the first of several stop strings, wherever token boundaries lie. Text that may turn out to be the
 * beginning of a stop string is held back until it is clear that it is not.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  /** @throws {InvalidArgumentError} an empty stop string */
  constructor(stops: readonly string[]) {
    const empty = stops.indexOf('');
    if (empty >= 0)
      throw new InvalidArgumentError(`stop[${empty}]`, '', 'a stop string needs at least one character');
    this.#stops = stops;
  }

  /** @returns `text` that may be shown, and the stop string that ended it, if one did */
  push(text: string): { text: string; stop?: string } {
    const all = this.#held + text;
    let end = -1;
    let found: string | undefined;
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      // Of two that begin at the same place the longer one wins: the result does not depend on their order.
      if (at >= 0 && (end < 0 || at < end || (at === end && stop.length > found!.length))) {
        end = at;
        found = stop;
      }
    }
    if (found !== undefined) {
      this.#held = '';
      return { text: all.slice(0, end), stop: found };
    }
    const held = this.#possibleStop(all);
    this.#held = all.slice(all.length - held);
    return { text: all.slice(0, all.length - held) };
  }

  /** Text still held back, when nothing follows. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Length of the longest end of `text` that is the beginning of a stop string. */
  #possibleStop(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
