import { expect, test } from 'vitest';
import { fixText, unescapeHtml } from '../src/text-fixing/index.js';
import { fixtureLines, fixtureText } from './fixtures.js';

test('texts are mended as ftfy mends them, entities as Python reads them', () => {
  for (const [text, fixed, unescaped] of JSON.parse(fixtureText('ftfy.json')) as [string, string, string][]) {
    expect(fixText(text), JSON.stringify(text)).toBe(fixed);
    expect(unescapeHtml(text), JSON.stringify(text)).toBe(unescaped);
  }
  for (const { text, ftfy = text } of fixtureLines<{ text: string; ftfy?: string }>('gpt1_original')) {
    expect(fixText(text), JSON.stringify(text)).toBe(ftfy);
  }
});
