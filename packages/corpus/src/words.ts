/**
 * Words of a text, in the sense of every statistic here: runs of letters and digits, lower-cased; in scripts written
 * without spaces (Han, Kana, Thai, …) each character is a word.
 */

const kindOther = 0;
const kindWord = 1;
const kindSingle = 2;
/** `’` and `'` inside a word belong to it. */
const kindInner = 3;

const single =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const letter = /[\p{L}\p{N}\p{M}]/u;

let table: Uint8Array | undefined;

/** Kind of each UTF-16 unit: one look-up instead of a regular expression per character. */
function kinds(): Uint8Array {
  if (table) return table;
  table = new Uint8Array(65_536);
  for (let unit = 0; unit < 65_536; unit++) {
    const character = String.fromCharCode(unit);
    if (unit >= 0xd800 && unit <= 0xdbff) table[unit] = kindSingle;
    else if (unit >= 0xdc00 && unit <= 0xdfff) table[unit] = kindOther;
    else if (single.test(character)) table[unit] = kindSingle;
    else if (letter.test(character)) table[unit] = kindWord;
  }
  table[0x27] = table[0x2019] = kindInner;
  return table;
}

/** Calls `visit` with start and end of each word. */
export function forEachWord(text: string, visit: (start: number, end: number) => void): void {
  const kind = kinds();
  const { length } = text;
  let start = -1;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    const k = kind[unit]!;
    if (k === kindWord) {
      if (start < 0) start = i;
      continue;
    }
    if (k === kindInner && start >= 0 && i + 1 < length && kind[text.charCodeAt(i + 1)] === kindWord)
      continue;
    if (start >= 0) {
      visit(start, i);
      start = -1;
    }
    if (k === kindSingle) {
      const isPair = unit >= 0xd800 && unit <= 0xdbff && i + 1 < length;
      visit(i, isPair ? i + 2 : i + 1);
      if (isPair) i++;
    }
  }
  if (start >= 0) visit(start, length);
}

/** The words themselves, lower-cased. */
export function wordsOf(text: string): string[] {
  const lower = text.toLowerCase();
  const result: string[] = [];
  forEachWord(lower, (start, end) => result.push(lower.slice(start, end)));
  return result;
}

/**
 * A 32-bit hash per word (FNV-1a over UTF-16 units, then mixed), without making strings. Words are lower-cased.
 */
export function wordHashes(text: string): Uint32Array {
  const lower = text.toLowerCase();
  const kind = kinds();
  const { length } = lower;
  let result = new Uint32Array(Math.max(16, length >> 2));
  let count = 0;
  let h = 0;
  let inside = false;
  const push = (value: number) => {
    value ^= value >>> 15;
    value = Math.imul(value, 0x2c1b3c6d);
    value ^= value >>> 13;
    if (count === result.length) {
      const larger = new Uint32Array(result.length * 2);
      larger.set(result);
      result = larger;
    }
    result[count++] = value;
  };
  for (let i = 0; i < length; i++) {
    const unit = lower.charCodeAt(i);
    const k = kind[unit]!;
    if (k === kindWord) {
      if (!inside) {
        h = 0x811c9dc5;
        inside = true;
      }
      h = Math.imul(h ^ unit, 0x01000193);
      continue;
    }
    if (k === kindInner && inside && i + 1 < length && kind[lower.charCodeAt(i + 1)] === kindWord) {
      h = Math.imul(h ^ 0x27, 0x01000193);
      continue;
    }
    if (inside) {
      push(h);
      inside = false;
    }
    if (k === kindSingle) {
      h = Math.imul(0x811c9dc5 ^ unit, 0x01000193);
      if (unit >= 0xd800 && unit <= 0xdbff && i + 1 < length)
        h = Math.imul(h ^ lower.charCodeAt(++i), 0x01000193);
      push(h);
    }
  }
  if (inside) push(h);
  return result.subarray(0, count);
}
