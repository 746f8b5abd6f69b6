import { UnsupportedTokenizerError } from './errors.js';
import { cl100kScanner } from './scanners/cl100k.js';
import { clipScanner } from './scanners/clip.js';
import { gpt2Scanner } from './scanners/gpt2.js';
import { o200kScanner } from './scanners/o200k.js';
import type { Scanner } from './scanners/scanner.js';

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const anyCase = '\\p{Lm}\\p{Lo}\\p{M}';

/** The split patterns as published. */
export const patterns = {
  gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  cl100k: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  o200k: [
    `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}${anyCase}]*[\\p{Ll}${anyCase}]+${contractions}?`,
    `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}${anyCase}]+[\\p{Ll}${anyCase}]*${contractions}?`,
    '\\p{N}{1,3}',
    ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*',
    '\\s*[\\r\\n]+',
    '\\s+(?!\\S)',
    '\\s+',
  ].join('|'),
  clip: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
} as const;

/** Other spellings of the same splits that are in use. */
const spellings: readonly [pattern: string, same: keyof typeof patterns][] = [
  ["'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s", 'gpt2'],
  ["'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", 'gpt2'],
  ["'s|'t|'re|'ve|'m|'ll|'d| ?[\\p{L}]+| ?[\\p{N}]+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", 'gpt2'],
  [
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
    'cl100k',
  ],
  [
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
    'cl100k',
  ],
];

export type PatternName = keyof typeof patterns;

/** Which of the known splits a pattern is. */
export function knownPattern(pattern: string): PatternName | undefined {
  for (const name of Object.keys(patterns) as PatternName[]) if (patterns[name] === pattern) return name;
  return spellings.find(([spelling]) => spelling === pattern)?.[1];
}

/** The hand-written scanner of a known split. */
export function scannerOf(name: PatternName): Scanner {
  switch (name) {
    case 'gpt2':
      return gpt2Scanner();
    case 'cl100k':
      return cl100kScanner();
    case 'o200k':
      return o200kScanner();
    case 'clip':
      return clipScanner();
  }
}

/** Unicode White_Space: JavaScript's own `\s` lacks U+0085 and has U+FEFF. */
const WHITE_SPACE = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/**
 * A split pattern in the dialect of tiktoken and Hugging Face, as a JavaScript regular expression: `\s` becomes
 * Unicode White_Space, `(?i:…)` is spelled out, possessive quantifiers become greedy ones (`\s++$` and its like mean
 * the same either way; a pattern that relies on not giving back should not be written for JavaScript).
 *
 * @throws {UnsupportedTokenizerError} when JavaScript cannot read it
 */
export function toRegExp(pattern: string): RegExp {
  let source = '';
  let inClass = false;
  const groups: boolean[] = [];
  let quantified = false; // whether a quantifier was just written
  const ignoresCase = () => groups[groups.length - 1] === true;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    const afterQuantifier: boolean = quantified;
    quantified = false;
    if (char === '\\') {
      const next = pattern[++i] ?? '';
      if (next === 's') source += inClass ? WHITE_SPACE : `[${WHITE_SPACE}]`;
      else if (next === 'S' && !inClass) source += `[^${WHITE_SPACE}]`;
      else if (next === 'A') source += '^';
      else if (next === 'z' || next === 'Z') source += '$';
      else if ((next === 'p' || next === 'P') && pattern[i + 1] === '{') {
        const end = pattern.indexOf('}', i);
        const name = pattern.slice(i + 2, end).replace(/^Is/, '');
        const scripts = /^(Han|Latin|Hiragana|Katakana|Hangul|Cyrillic|Arabic|Greek|Thai|Hebrew)$/;
        source += `\\${next}{${scripts.test(name) ? `Script=${name}` : name}}`;
        i = end;
      } else if (/[nrtfvdDwWbBxu0-9]/.test(next) || /[\\^$.*+?()[\]{}|/-]/.test(next)) source += `\\${next}`;
      else source += next;
    } else if (inClass) {
      if (char === ']') inClass = false;
      source += caseless(char, ignoresCase(), true);
    } else if (char === '[') {
      inClass = true;
      source += char;
      if (pattern[i + 1] === '^') source += pattern[++i];
    } else if (char === '(') {
      if (pattern.startsWith('(?i:', i)) {
        groups.push(true);
        source += '(?:';
        i += 3;
      } else {
        groups.push(ignoresCase());
        source += char;
      }
    } else if (char === ')') {
      groups.pop();
      source += char;
    } else if ('+*?'.includes(char)) {
      // A plus after a quantifier makes it possessive: nothing to write.
      if (char !== '+' || !afterQuantifier) source += char;
      quantified = !afterQuantifier;
    } else if (char === '{') {
      const end = pattern.indexOf('}', i);
      source += pattern.slice(i, end + 1);
      i = end < 0 ? pattern.length : end;
      quantified = true;
    } else source += caseless(char, ignoresCase(), false);
  }
  try {
    return new RegExp(source, 'gu');
  } catch (cause) {
    throw new UnsupportedTokenizerError(`pattern: cannot be used in JavaScript: ${pattern}`, { cause });
  }
}

function caseless(char: string, ignoreCase: boolean, inClass: boolean): string {
  if (!ignoreCase || !/[a-z]/i.test(char)) return char;
  const both =
    char.toLowerCase() + char.toUpperCase() + (/s/i.test(char) ? '\u017f' : /k/i.test(char) ? '\u212a' : '');
  return inClass ? both : `[${both}]`;
}
