import { END } from './scanners/character-classes.js';
import { SLACK } from './token-table.js';

/** Texts shorter than this are copied by hand: calling the encoder costs more. */
const SHORT = 48;
/** Buffers larger than this are given back. */
const KEEP = 1 << 20;

const textEncoder = /* @__PURE__ */ new TextEncoder();

/** A text as UTF-8, closed by `END` and followed by `SLACK`; lone surrogates become U+FFFD. */
export class Utf8Buffer {
  bytes = new Uint8Array(512);
  view = new DataView(this.bytes.buffer);
  length = 0;

  write(text: string): void {
    const { length } = text;
    this.#reserve(length * 3);
    const { bytes } = this;
    let at = 0;
    if (length < SHORT) {
      for (; at < length; at++) {
        const code = text.charCodeAt(at);
        if (code > 127) break;
        bytes[at] = code;
      }
    }
    if (at < length || length === 0) at = textEncoder.encodeInto(text, bytes).written;
    bytes[at] = END;
    this.length = at;
  }

  writeBytes(source: Uint8Array): void {
    this.#reserve(source.length);
    this.bytes.set(source);
    this.bytes[source.length] = END;
    this.length = source.length;
  }

  release(): void {
    if (this.bytes.length > KEEP) this.#allocate(512);
  }

  #reserve(length: number): void {
    if (this.bytes.length < length + 1 + SLACK) this.#allocate(length + 1 + SLACK);
  }

  #allocate(size: number): void {
    let rounded = 512;
    while (rounded < size) rounded *= 2;
    this.bytes = new Uint8Array(rounded);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** How many bytes of `bytes`, from the start, are whole and valid UTF-8 characters. */
export function validUtf8Length(bytes: Uint8Array): number {
  const { length } = bytes;
  let at = 0;
  while (at < length) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      at++;
      continue;
    }
    const width = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (width === 0 || at + width > length) return at;
    const second = bytes[at + 1]!;
    // Overlong forms, surrogates, and what is above U+10FFFF differ in the second byte.
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high) return at;
    for (let i = 2; i < width; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return at;
    at += width;
  }
  return at;
}
