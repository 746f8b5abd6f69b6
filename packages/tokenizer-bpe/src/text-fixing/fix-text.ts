import { fixC1Controls, fixEncoding } from './fix-encoding.js';
import { unescapeCompleteReferences } from './html-entities.js';

const LONGEST_SEGMENT = 1_000_000;

/**
 * Mends text as ftfy 6.3.1's `fix_text` does with its default settings (Speer 2019): HTML entities (unless the text
 * has a `<`), wrongly decoded text, C1 controls, ligatures, character width, curly quotes, line breaks, lone
 * surrogates, terminal escapes, control characters, NFC. Everything it does loses information.
 */
export function fixText(text: string): string {
  let fixed = '';
  let undoEntities = true;
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const end = Math.min(newline < 0 ? text.length : newline + 1, at + LONGEST_SEGMENT);
    const segment = text.slice(at, end);
    if (segment.includes('<')) undoEntities = false;
    fixed += fixSegment(segment, undoEntities);
    at = end;
  }
  return fixed;
}

function fixSegment(text: string, undoEntities: boolean): string {
  for (;;) {
    const before = text;
    if (undoEntities) text = unescapeCompleteReferences(text);
    text = fixEncoding(text);
    text = fixC1Controls(text);
    text = text.replace(/[Ĳĳŉ\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g, (char) => ligatures[char]!);
    text = text.replace(/[\u3000\uff01-\uffef]/g, (char) => char.normalize('NFKC'));
    text = text.replace(/[\u201c-\u201f]/g, '"').replace(/[\u02bc\u2018-\u201b]/g, "'");
    text = text.replace(/\r\n|[\r\u2028\u2029\x85]/g, '\n');
    text = text.replace(/[\ud800-\udfff]/gu, '\ufffd');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
    text = text.replace(/\x1b\[[\d;]*[a-zA-Z]/g, '');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
    text = text.replace(/[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g, '');
    text = text.normalize('NFC');
    if (text === before) return text;
  }
}

const ligatures: Record<string, string> = {
  Ĳ: 'IJ',
  ĳ: 'ij',
  ŉ: 'ʼn',
  Ǳ: 'DZ',
  ǲ: 'Dz',
  ǳ: 'dz',
  Ǆ: 'DŽ',
  ǅ: 'Dž',
  ǆ: 'dž',
  Ǉ: 'LJ',
  ǈ: 'Lj',
  ǉ: 'lj',
  Ǌ: 'NJ',
  ǋ: 'Nj',
  ǌ: 'nj',
  ﬀ: 'ff',
  ﬁ: 'fi',
  ﬂ: 'fl',
  ﬃ: 'ffi',
  ﬄ: 'ffl',
  ﬅ: 'ſt',
  ﬆ: 'st',
};
