/**
 * GPT-2 writes bytes as printable characters in its vocabulary files: 0x20 is `Ġ`, 0x0a is `Ċ`. The characters that
 * are printable in Latin-1 stand for themselves, the other 68 bytes take U+0100 and up, in order.
 */

/** `characterOfByte[byte]`: the character that stands for it. */
export const characterOfByte: readonly string[] = /* @__PURE__ */ (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

/** `byteOrder[id]`: the byte with that id in GPT-2 and its successors: ordered by the characters above. */
export const byteOrder: Uint8Array = /* @__PURE__ */ (() => {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return Uint8Array.from(
    bytes.sort((a, b) => characterOfByte[a]!.charCodeAt(0) - characterOfByte[b]!.charCodeAt(0)),
  );
})();

const byteOfCharacter: Int16Array = /* @__PURE__ */ (() => {
  const table = new Int16Array(512).fill(-1);
  for (let byte = 0; byte < 256; byte++) table[characterOfByte[byte]!.charCodeAt(0)] = byte;
  return table;
})();

/** Bytes of a token written in byte characters; `undefined` when a character is not one of them. */
export function bytesOfCharacters(characters: string): Uint8Array | undefined {
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) {
    const byte = byteOfCharacter[characters.charCodeAt(i)] ?? -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/** A token's bytes written in byte characters. */
export function charactersOfBytes(bytes: Uint8Array): string {
  let characters = '';
  for (const byte of bytes) characters += characterOfByte[byte]!;
  return characters;
}

function isPrintable(byte: number): boolean {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}
