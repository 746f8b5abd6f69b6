import type { Preprocessor } from '../preprocess.js';
import { fixText } from '../text-fixing/fix-text.js';
import { englishTokens } from './english-rules.js';

const blank = '\\t-\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const aroundNewline = new RegExp(`[${blank}]*\\n[${blank}]*`, 'g');
const blanks = new RegExp(`(?:(?!\\n)[${blank}])+`, 'g');
const ends = new RegExp(`^[${blank}]+|[${blank}]+$`, 'g');

/**
 * `text_standardize` of GPT-1's code: dashes, ellipses and quotes made plain, runs of punctuation set apart (a
 * backslash is not: the original's pattern means a plus sign there), white space reduced to spaces and line ends.
 */
export function standardizeText(text: string): string {
  return text
    .replace(/[—–―]/g, '-')
    .replaceAll('…', '...')
    .replaceAll('´', "'")
    .replace(/(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|\/+|\*+|\[+|\]+|}+|{+|\|+|_+)/g, ' $1 ')
    .replace(aroundNewline, ' \n ')
    .replace(blanks, ' ')
    .replace(ends, '');
}

/**
 * The pipeline that GPT-1 was trained with: ftfy, `standardizeText`, spaCy's English rules, lower case. Accents stay,
 * line ends are words. Lossy: case, spacing, and all that ftfy mends.
 */
export const originalPreprocessor: Preprocessor = {
  name: 'original',
  readsUnknownToken: false,
  words: (text) =>
    englishTokens(standardizeText(fixText(text))).map((token) => {
      const word = token.toLowerCase();
      return word === '\n ' ? '\n' : word;
    }),
};

export { englishTokens };
