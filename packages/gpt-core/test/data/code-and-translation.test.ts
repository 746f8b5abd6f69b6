import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteTokenizer, fillInTheMiddle, translationExamples, translationPrompt } from '../../src/index.js';

const tokenizer = new ByteTokenizer();
const tokens = { prefix: 300, suffix: 301, middle: 302 };
const encode = (text: string) => tokenizer.encode(text);

it('fill-in-the-middle keeps every byte: the parts put back in order are the document', () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.nat(1000), (text, index) => {
      const ids = fillInTheMiddle(text, index, encode, { tokens, rate: 1, seed: 3 });
      const at = (token: number) => ids.indexOf(token);
      const between = (from: number, to: number) => ids.slice(from + 1, to);
      let whole: number[];
      if (at(tokens.suffix) === 1 && at(tokens.prefix) === 0 && text !== '') {
        // Suffix first, or prefix first with an empty prefix: then the middle is what follows.
        kinds.add('spm');
        whole = [...between(at(tokens.middle), ids.length), ...between(at(tokens.suffix), at(tokens.middle))];
      } else {
        kinds.add('psm');
        whole = [
          ...between(0, at(tokens.suffix)),
          ...between(at(tokens.middle), ids.length),
          ...between(at(tokens.suffix), at(tokens.middle)),
        ];
      }
      expect(tokenizer.decode(whole)).toBe(tokenizer.decode(encode(text)));
      expect(fillInTheMiddle(text, index, encode, { tokens, rate: 0 })).toEqual(encode(text));
    }),
    { numRuns: 300, seed: 1 },
  );
  expect(kinds).toEqual(new Set(['spm', 'psm']));
});

it('fill-in-the-middle rearranges the given share', () => {
  const rearranged = Array.from({ length: 500 }, (_, i) => fillInTheMiddle('let x = 1;', i, encode, { tokens, rate: 0.3 }));
  const share = rearranged.filter((ids) => ids[0] === tokens.prefix).length / 500;
  expect(Math.abs(share - 0.3)).toBeLessThan(0.06);
  expect(() => fillInTheMiddle('x', 0, encode, { tokens, rate: 2 })).toThrow(/"rate" is 2/);
});

it('translation: GPT-2’s prompt, and examples whose loss is on the translation', () => {
  expect(translationPrompt('Good morning.', [['Thank you.', 'Danke.']])).toBe('Thank you. = Danke.\nGood morning. =');
  const [example] = translationExamples(tokenizer, [{ English: 'Yes.', German: 'Ja.' }], { from: 'English', to: 'German' });
  const trained = Array.from(example!.tokenIds).filter((_, i) => example!.lossMask[i]);
  expect(tokenizer.decode(trained)).toBe('Ja.');
  expect(() => translationExamples(tokenizer, [{ English: 'Yes.' }], { from: 'English', to: 'German' })).toThrow(
    /Sentence 0 has no German/,
  );
});
