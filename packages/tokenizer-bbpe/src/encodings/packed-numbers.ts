/** 89 printable characters that need no escape in a double-quoted literal. */
const BASE = 89;
/** A first digit below this begins a two-digit number, from here on a three-digit one. */
const TWO = 62;
const digitOf = /* @__PURE__ */ (() => {
  const digits = new Uint8Array(128);
  let digit = 0;
  for (let code = 35; code < 127; code++) {
    if (code !== 0x5c && code !== 0x60 && code !== 0x24) digits[code] = digit++;
  }
  return digits;
})();

/**
 * Reads numbers of two or three characters each, the form in which rank data is shipped: about 2.2 characters a
 * number where base64 would take 3, and it still compresses.
 *
 * @returns how many numbers were written to `into`
 */
export function readNumbers(packed: string, into: Int32Array): number {
  const bytes = new TextEncoder().encode(packed);
  const { length } = bytes;
  let count = 0;
  for (let i = 0; i < length; ) {
    const first = digitOf[bytes[i]!]!;
    const second = digitOf[bytes[i + 1]!]!;
    if (first < TWO) {
      into[count++] = first * BASE + second;
      i += 2;
    } else {
      into[count++] = TWO * BASE + ((first - TWO) * BASE + second) * BASE + digitOf[bytes[i + 2]!]!;
      i += 3;
    }
  }
  return count;
}
