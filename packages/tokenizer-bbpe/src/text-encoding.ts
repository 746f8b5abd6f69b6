import { InvalidOptionError } from '@gpt-lineage/tokenizer-bpe';
import type { EncodeOptions, TokenizerDefinition } from './definition.js';
import { knownPattern, scannerOf, toRegExp } from './patterns.js';
import type { PieceEncoder } from './piece-encoder.js';
import type { Scanner } from './scanners/scanner.js';
import { Ids, type Sink } from './sinks.js';
import type { SpecialTokens } from './special-tokens.js';
import { Utf8Buffer, validUtf8Length } from './utf8.js';
import { WINDOW, windowEnd } from './windows.js';

const textDecoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true });

/** From texts and bytes to ids: special tokens out, rewriting, windows, splitting, encoding of the pieces. */
export class TextEncoding {
  readonly #definition: TokenizerDefinition;
  readonly #special: SpecialTokens;
  readonly #encoder: PieceEncoder;
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #scan: Scanner | undefined;
  readonly #regExp: RegExp | undefined;
  readonly #buffer = new Utf8Buffer();

  constructor(
    definition: TokenizerDefinition,
    special: SpecialTokens,
    encoder: PieceEncoder,
    bytesOf: (id: number) => Uint8Array,
  ) {
    this.#definition = definition;
    this.#special = special;
    this.#encoder = encoder;
    this.#bytesOf = bytesOf;
    const known = knownPattern(definition.pattern);
    this.#scan = definition.scanner ?? (known === undefined ? undefined : scannerOf(known));
    this.#regExp = this.#scan === undefined ? toRegExp(definition.pattern) : undefined;
  }

  /** Encodes a text, special tokens as `options` has them. */
  encode(text: string, options: EncodeOptions, sink: Sink): void {
    if (typeof text !== 'string') {
      throw new InvalidOptionError(
        `text: expected a string, received ${text === null ? 'null' : typeof text}`,
      );
    }
    this.#special.refuse(text, options.disallowedSpecial, options.allowedSpecial);
    const finder = this.#special.finder(options.allowedSpecial);
    if (finder === undefined) {
      this.ordinary(text, sink);
      return;
    }
    const searched = this.#definition.normalizer?.name.startsWith('clip') ? this.#normalized(text) : text;
    const normalized = searched !== text;
    let at = 0;
    finder.lastIndex = 0;
    for (let match = finder.exec(searched); match !== null && !sink.full; match = finder.exec(searched)) {
      if (match.index > at) this.ordinary(searched.slice(at, match.index), sink, normalized);
      sink.add(this.#special.ids.get(match[0])!);
      at = match.index + match[0].length;
    }
    if (at < searched.length && !sink.full)
      this.ordinary(at === 0 ? searched : searched.slice(at), sink, normalized);
  }

  /** See `ByteLevelBPETokenizer.encodeBytes`. */
  encodeBytes(bytes: Uint8Array): number[] {
    const valid = validUtf8Length(bytes);
    const sink = new Ids();
    this.ordinary(textDecoder.decode(bytes.subarray(0, valid)), sink);
    if (valid === bytes.length) return sink.toArray();
    const ids = sink.toArray();
    let stable = this.#startOfLastPiece(bytes.subarray(0, valid));
    let kept = ids.length;
    for (let end = valid; end > stable; kept--) end -= this.#bytesOf(ids[kept - 1]!).length;
    const isBlank = (id: number) =>
      this.#bytesOf(id).every((byte) => byte === 32 || byte === 10 || byte === 9);
    if (kept < ids.length && isBlank(ids[kept]!)) {
      while (kept > 0 && isBlank(ids[kept - 1]!)) stable -= this.#bytesOf(ids[--kept]!).length;
    }
    const buffer = this.#buffer;
    buffer.writeBytes(bytes.subarray(stable));
    this.#encoder.reserve(buffer.length);
    const count = this.#encoder.encodeSegment(buffer.bytes, buffer.view, 0, buffer.length, 0);
    ids.length = kept;
    for (let i = 0; i < count; i++) ids.push(this.#encoder.out[i]!);
    return ids;
  }

  #normalized(text: string): string {
    return this.#definition.normalizer?.normalize(text) ?? text;
  }

  /** Encodes a text that has no special tokens. */
  ordinary(text: string, sink: Sink, normalized = false): void {
    if (!normalized) text = this.#normalized(text);
    if (this.#definition.addPrefixSpace === true && text !== '' && !/^\s/u.test(text)) text = ` ${text}`;
    if (this.#scan === undefined) {
      this.#ordinaryByRegExp(text, sink);
      return;
    }
    const buffer = this.#buffer;
    const encoder = this.#encoder;
    let size = sink.firstWindow;
    for (let at = 0; at < text.length && !sink.full; ) {
      const end = windowEnd(text, at, size);
      buffer.write(at === 0 && end === text.length ? text : text.slice(at, end));
      const count = encoder.encode(buffer.bytes, buffer.view, buffer.length, this.#scan);
      sink.append(encoder.out, count);
      at = end;
      size = Math.min(WINDOW, size * 2);
    }
    buffer.release();
  }

  #ordinaryByRegExp(text: string, sink: Sink): void {
    const regExp = this.#regExp!;
    const drops = this.#definition.endOfWord !== undefined;
    let at = 0;
    for (const match of text.matchAll(regExp)) {
      if (sink.full) return;
      if (match[0] === '') continue;
      if (match.index > at && !drops) this.#piece(text.slice(at, match.index), sink);
      this.#piece(match[0], sink);
      at = match.index + match[0].length;
    }
    if (at < text.length && !drops) this.#piece(text.slice(at), sink);
  }

  #piece(piece: string, sink: Sink): void {
    const buffer = this.#buffer;
    const encoder = this.#encoder;
    buffer.write(piece);
    encoder.reserve(buffer.length);
    const count = encoder.encodePiece(buffer.bytes, buffer.view, 0, buffer.length, 0);
    sink.append(encoder.out, count);
  }

  /** Byte at which the last piece of valid UTF-8 begins. */
  #startOfLastPiece(bytes: Uint8Array): number {
    let last = 0;
    if (this.#scan !== undefined) {
      this.#buffer.writeBytes(bytes);
      for (let at = 0; at < bytes.length; at = this.#scan(this.#buffer.bytes, at)) last = at;
      return last;
    }
    for (const match of textDecoder.decode(bytes).matchAll(this.#regExp!)) last = match.index;
    return new TextEncoder().encode(textDecoder.decode(bytes).slice(0, last)).length;
  }
}
