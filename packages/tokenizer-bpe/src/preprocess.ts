/** Turns a text into the words that are encoded one by one. */
export interface Preprocessor {
  /** Part of the fingerprint: another name means other ids. */
  name: string;
  words(text: string): string[];
  /** Whether the unknown token, spelled out in a text, is itself. Default: yes. */
  readsUnknownToken?: boolean;
}

/** The code points that BERT's tokenizer treats as Chinese characters: each is a word of its own. */
const chinese =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
/** Unicode White_Space; JavaScript's `\s` differs in U+0085 and U+FEFF. */
const space = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
/**
 * Punctuation, marks and format characters that Unicode got after version 8, which is where the reference stopped: plain
 * characters for it. Gaps and lengths of ranges, in base 36; of the supplementary planes Adlam only.
 */
const newer = /* @__PURE__ */ (() => {
  let at = 0;
  return '154+1 2c dc 43+1 6+8 17+o 7v+1 3c 3o+5 2c+2 4v 1k 1n d 3g 1n+1 1x 8p k 1tt 3a+1 ft+1d 2m+1 1a+2 hj+5 37s+c 3+b 3+3 o21 49 1m 5a 1r47+6 k+1'
    .split(' ')
    .map((range) => {
      const [gap, length = '0'] = range.split('+') as [string, string?];
      const from = at + Number.parseInt(gap, 36);
      at = from + Number.parseInt(length, 36);
      return `\\u{${from.toString(16)}}-\\u{${at.toString(16)}}`;
    })
    .join('');
})();
const control = new RegExp(`[\\0\\ufffd]|(?![\\t\\n\\r${newer}])[\\p{Cc}\\p{Cf}\\p{Co}]`, 'gu');
// U+1734 and U+166D have changed their class since.
const accents = new RegExp(`(?![${newer}])[\\p{Mn}\\u1734]`, 'gu');
const pieces = new RegExp(
  `[!-/:-@[-\`{-~]|(?![${newer}])[\\p{P}\\u166d]|(?:(?![!-/:-@[-\`{-~\\p{P}\\u166d])[^${space}]|[${newer}])+`,
  'gu',
);

/**
 * GPT-1's text pipeline without ftfy and spaCy, as Hugging Face's tokenizer has it: control characters are dropped,
 * accents stripped, letters lower-cased, Chinese characters and punctuation set apart, the rest split at white space.
 *
 * Lossy: case, accents, control characters and all white space are gone.
 */
export const basic: Preprocessor = {
  name: 'basic',
  words(text) {
    if (/[^\0-\x7e]/.test(text)) {
      text = text.replace(control, '').replace(chinese, ' $& ').normalize('NFD').replace(accents, '');
      // Character by character, so that a final sigma is a sigma.
      text = text.replace(/[^\0-\x7f]/gu, (char) => char.toLowerCase());
    } else text = text.replace(control, '');
    return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).match(pieces) ?? [];
  },
};

const lossy = /[\ud800-\udfff]/gu;
const runs = new RegExp(
  ` ?\\p{L}[\\p{L}\\p{M}]*| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|[${space}]+(?![^${space}])|[${space}]+`,
  'gu',
);

/** How white space that separates things in vocabulary files is written in lossless tokens. */
const visible: Record<string, string> = { ' ': '▁', '\n': '␊', '\r': '␍' };
/** Those characters themselves are never in the vocabulary: a lone surrogate keeps them apart until they are bytes. */
const apart: Record<string, string> = { '▁': '\udc00', '␊': '\udc01', '␍': '\udc02' };
const together = Object.fromEntries(Object.entries(apart).map(([char, mark]) => [mark, char]));
const hidden = Object.fromEntries(Object.entries(visible).map(([char, mark]) => [mark, char]));

/**
 * Nothing is lost: runs of letters, of digits, of other characters, each with the space before it, and white space.
 * Only lone surrogates, which are no text, become U+FFFD.
 */
export const lossless: Preprocessor = {
  name: 'lossless',
  words: (text) =>
    (text.replace(lossy, '\ufffd').match(runs) ?? []).map((word) =>
      word.replace(/[▁␊␍]/g, (char) => apart[char]!).replace(/[ \n\r]/g, (char) => visible[char]!),
    ),
};

/** The character that a mark keeps apart, to be encoded as bytes; `undefined` for any other. */
export function keptApart(char: string): string | undefined {
  return together[char];
}

/** The text of a lossless token. */
export function spelledOut(token: string): string {
  return token.replace(/[▁␊␍]/g, (mark) => hidden[mark]!);
}
