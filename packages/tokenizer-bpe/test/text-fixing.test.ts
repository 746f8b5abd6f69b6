import { expect, test } from 'vitest';
import { BPETokenizer } from '../src/index.js';
import { englishTokens, originalPreprocessor, standardizeText } from '../src/original/index.js';
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

test("GPT-1's own pipeline, stage by stage", () => {
  const vocab = JSON.parse(fixtureText('encoder_bpe_40000.json')) as Record<string, number>;
  const gpt1 = BPETokenizer.fromVocab(vocab, fixtureText('vocab_40000.bpe'), {
    preprocess: originalPreprocessor,
  });
  for (const row of fixtureLines<{ text: string; standardized: string; words?: string[]; ids: number[] }>(
    'gpt1_original',
  )) {
    expect(standardizeText(fixText(row.text))).toBe(row.standardized);
    if (row.words !== undefined) expect(englishTokens(row.standardized)).toEqual(row.words);
    expect(gpt1.encode(row.text), JSON.stringify(row.text).slice(0, 200)).toEqual(row.ids);
  }
});
