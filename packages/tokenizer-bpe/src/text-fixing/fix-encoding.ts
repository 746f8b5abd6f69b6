import { badSequences, garbledUtf8, singleByteEncodings } from '../../data/text-fixing.js';

/** Bytes are handled as strings of characters below U+0100 here. */
interface SingleByteEncoding {
  name: string;
  byteOf: Map<string, string>;
}

/** A space where 0xa0 was, the no-break space that much software turns into one. */
const alteredUtf8 =
  /[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf]{2}|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf]{2} /g;

/** UTF-8 of which some bytes were replaced by 0x1a or a question mark. */
const lossyUtf8 =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: 0x1a is what is looked for
  /[\xc2-\xdf]\x1a|[\xc2-\xc3]\?|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf]{2}|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf]{2}[\x1a?]|\x1a/g;

let tables:
  | { encodings: SingleByteEncoding[]; bad: RegExp; garbled: RegExp; windows1252: string }
  | undefined;

function load() {
  if (tables !== undefined) return tables;
  const encodings = Object.entries(singleByteEncodings).map(([name, upperHalf]) => {
    const byteOf = new Map<string, string>();
    for (let byte = 0; byte < 128; byte++) byteOf.set(String.fromCharCode(byte), String.fromCharCode(byte));
    // The sloppy encodings stand for a lost character by 0x1a.
    if (name.startsWith('sloppy')) {
      byteOf.delete('\x1a');
      byteOf.set('\ufffd', '\x1a');
    }
    Array.from(upperHalf).forEach((char, i) => {
      if (!byteOf.has(char)) byteOf.set(char, String.fromCharCode(0x80 + i));
    });
    return { name, byteOf };
  });
  tables = {
    encodings,
    bad: new RegExp(badSequences, 'u'),
    garbled: new RegExp(garbledUtf8, 'gu'),
    windows1252: singleByteEncodings['sloppy-windows-1252']!,
  };
  return tables;
}

/** Undoes text that was decoded with the wrong encoding, as often as it was (ftfy's `fix_encoding`). */
export function fixEncoding(text: string): string {
  for (;;) {
    const fixed = fixEncodingOnce(text);
    if (fixed === text) return text;
    text = fixed;
  }
}

function fixEncodingOnce(text: string): string {
  const { encodings, bad, garbled } = load();
  if (!/[^\0-\x7f]/.test(text) || !bad.test(text)) return text;
  for (const { name, byteOf } of encodings) {
    let bytes = encode(text, byteOf);
    if (bytes === undefined) continue;
    if (name !== 'macroman') bytes = restoreNoBreakSpaces(bytes);
    if (name.startsWith('sloppy')) bytes = bytes.replace(lossyUtf8, '\xef\xbf\xbd');
    const decoded = decodeUtf8(bytes);
    if (decoded !== undefined) return decoded;
  }
  const inPlace = text.replace(garbled, (match) =>
    match.length < text.length && bad.test(match) ? fixEncoding(match) : match,
  );
  if (inPlace !== text) return inPlace;
  // Latin-1 with C1 controls is Windows-1252; other text with them is mended character by character.
  return fixC1Controls(text);
}

/** C1 controls stand for the characters that Windows-1252 has there. */
export function fixC1Controls(text: string): string {
  return text.replace(/[\x80-\x9f]/g, (char) => load().windows1252[char.charCodeAt(0) - 0x80]!);
}

function encode(text: string, byteOf: Map<string, string>): string | undefined {
  let bytes = '';
  for (const char of text) {
    const byte = byteOf.get(char);
    if (byte === undefined) return undefined;
    bytes += byte;
  }
  return bytes;
}

/** `\xc3 ` before a word is an à of its own, but for the Portuguese words that begin with it. */
function restoreNoBreakSpaces(bytes: string): string {
  return bytes
    .replace(/\xc3 (?! |quele|quela|quilo|s )/g, '\xc3\xa0 ')
    .replace(alteredUtf8, (match) => match.replaceAll(' ', '\xa0'));
}

/** Strict UTF-8; with the byte 0xed or 0xc0 also surrogate pairs in three bytes each, and NUL in two. */
function decodeUtf8(bytes: string): string | undefined {
  if (/[\xed\xc0]/.test(bytes)) {
    bytes = bytes
      .replace(/\xc0\x80/g, '\0')
      .replace(
        /\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])/g,
        (_, a: string, b: string, c: string, d: string) => {
          const high = ((a.charCodeAt(0) & 15) << 6) | (b.charCodeAt(0) & 63);
          const low = ((c.charCodeAt(0) & 15) << 6) | (d.charCodeAt(0) & 63);
          return latin1Of(String.fromCodePoint(0x10000 + (high << 10) + low));
        },
      );
  }
  try {
    const array = Uint8Array.from(bytes, (char) => char.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(array);
  } catch {
    return undefined;
  }
}

function latin1Of(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
