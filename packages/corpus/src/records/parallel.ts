import { ConfigError } from '../errors.js';
import { hash32 } from '../random.js';
import { type FieldNames, identity, type RecordConverter, RecordProblem } from './record-text.js';

/** What a translation prompt is made from. */
export interface TranslationPair {
  sourceLanguage: string;
  targetLanguage: string;
  source: string;
  target: string;
}

/**
 * Ways to write a translation down: GPT-2's `source = target` (Radford et al. 2019, section 3.7), GPT-3's question
 * (Brown et al. 2020, appendix G), and plain instructions.
 */
export const translationTemplates: readonly ((pair: TranslationPair) => string)[] = [
  ({ source, target }) => `${source} = ${target}`,
  ({ source, target, targetLanguage }) =>
    `Q: What is the ${targetLanguage} translation of ${source}\nA: ${target}`,
  ({ source, target, sourceLanguage, targetLanguage }) =>
    `Translate from ${sourceLanguage} to ${targetLanguage}.\n${sourceLanguage}: ${source}\n${targetLanguage}: ${target}`,
  ({ source, target, targetLanguage }) => `${source}\nIn ${targetLanguage}: ${target}`,
];

/**
 * Sentence pairs to translation prompts. Option `languages` names the two fields and their languages:
 * `{ en: English, zh: Chinese }`. Direction and template follow from seed and record, so a corpus holds all of them;
 * `direction: 'forward'` or `'backward'` and `template: 2` fix them.
 */
export function parallelConverter(
  names: FieldNames,
  options: Record<string, unknown>,
  seed: number,
): RecordConverter {
  const { languages, direction = 'both', template } = options;
  const entries = typeof languages === 'object' && languages !== null ? Object.entries(languages) : [];
  if (entries.length !== 2 || entries.some(([, name]) => typeof name !== 'string')) {
    throw new ConfigError(
      'kindOptions.languages',
      'must name two fields and their languages: { en: English, zh: Chinese }',
    );
  }
  if (direction !== 'both' && direction !== 'forward' && direction !== 'backward') {
    throw new ConfigError('kindOptions.direction', "must be 'both', 'forward' or 'backward'");
  }
  if (template !== undefined && translationTemplates[template as number] === undefined) {
    throw new ConfigError('kindOptions.template', `must be 0 to ${translationTemplates.length - 1}`);
  }
  const [first, second] = entries as [[string, string], [string, string]];
  return (fields, { file, line }) => {
    const texts = [first, second].map(([field]) => {
      const value = fields[field];
      if (typeof value !== 'string' || value.trim() === '') {
        throw new RecordProblem(field, 'must be a non-empty sentence');
      }
      return value.trim();
    }) as [string, string];
    const draw = hash32(seed, file, line);
    const backward = direction === 'backward' || (direction === 'both' && (draw & 1) === 1);
    const pair: TranslationPair = backward
      ? { sourceLanguage: second[1], targetLanguage: first[1], source: texts[1], target: texts[0] }
      : { sourceLanguage: first[1], targetLanguage: second[1], source: texts[0], target: texts[1] };
    const number = (template as number | undefined) ?? (draw >>> 1) % translationTemplates.length;
    return [{ text: translationTemplates[number]!(pair), ...identity(fields, names) }];
  };
}
