import { toRegExp } from './patterns.js';

/** A step that rewrites the text before it is split, as `tokenizer.json` spells it. */
export type NormalizationStep =
  | { type: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' | 'Lowercase' }
  | { type: 'Replace'; pattern: { String: string } | { Regex: string }; content: string };

/** What turns a text into the text that is split; `name` stands for it in the fingerprint. */
export interface Normalizer {
  name: string;
  normalize(text: string): string;
  /** As `tokenizer.json` has it, where it can be written there. */
  steps?: readonly NormalizationStep[];
}

/** The steps of a `tokenizer.json`, one after the other. */
export function normalizerOf(steps: readonly NormalizationStep[]): Normalizer {
  const functions = steps.map(functionOf);
  return {
    name: JSON.stringify(steps),
    steps,
    normalize: (text) => functions.reduce((current, apply) => apply(current), text),
  };
}

function functionOf(step: NormalizationStep): (text: string) => string {
  switch (step.type) {
    case 'Lowercase':
      // Character by character: the Greek final sigma is not told apart.
      return (text) =>
        /[^\0-\x7f]/.test(text) ? Array.from(text, (c) => c.toLowerCase()).join('') : text.toLowerCase();
    case 'Replace': {
      const { pattern, content } = step;
      if ('String' in pattern) return (text) => text.replaceAll(pattern.String, () => content);
      const regExp = toRegExp(pattern.Regex);
      return (text) => text.replace(regExp, () => content);
    }
    default:
      return (text) => text.normalize(step.type);
  }
}
