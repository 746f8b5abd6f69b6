import { slice, words } from '../../python-text.js';
import type { Doc, MultipleChoiceTask } from '../task.js';

const POSSESSIVES = new Set(['my', 'his', 'her', 'our', 'their']);
const CAPITALISED = new Set('A An The She He It They My His Her Their'.split(' '));

/** An option as it reads in the pronoun's place: its first word in lower case, possessive where the pronoun is. */
function inPlace(option: string, pronoun: string, beginsSentence: boolean): string {
  const phrase = POSSESSIVES.has(pronoun.toLowerCase()) ? `${option}'s` : option;
  const [first = ''] = words(phrase);
  return !beginsSentence && CAPITALISED.has(first) ? phrase.replaceAll(first, first.toLowerCase()) : phrase;
}

function prepare(doc: Doc): Doc {
  const [pronoun, at] = [String(doc.pronoun), Number(doc.pronoun_loc)];
  const text = String(doc.text).replaceAll('  ', ' ');
  const beginsSentence = Array.from(text).at(at - 2) === '.';
  return {
    before: slice(text, 0, at),
    after: slice(text, at + pronoun.length),
    options: (doc.options as string[]).map((option) => inPlace(option, pronoun, beginsSentence)),
    label: Number(doc.label),
  };
}

/**
 * The Winograd schemas (Levesque et al. 2012), partial evaluation (Trinh and Le 2018), as GPT-2 and GPT-3 report them.
 * What follows the pronoun begins with a space of its own after the separating one, as in lm-evaluation-harness.
 */
export const wsc273: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'wsc273',
  version: 2,
  title: 'Winograd schemas: which noun the pronoun stands for',
  groups: ['winograd'],
  data: { files: { test: 'winograd/wsc273.jsonl' }, prepare },
  prompt: '{{ before }}{{ choice }}',
  choices: (doc) => doc.options as string[],
  ending: ' {{ after }}',
  target: (doc) => doc.label as number,
  normalisations: ['sum'],
};
