import type { Doc, MultipleChoiceTask } from '../task.js';

const POSSESSIVES = new Set(['my', 'his', 'her', 'our', 'their']);
const DETERMINERS = new Set(['a', 'an', 'the', 'my', 'his', 'her', 'our', 'their', 'your', 'its']);

/** An option as it reads in the pronoun's place: its determiner in lower case, possessive where the pronoun is. */
function inPlace(option: string, pronoun: string, atBeginning: boolean): string {
  const [first, ...rest] = option.split(' ');
  const start = !atBeginning && DETERMINERS.has(first!.toLowerCase()) ? first!.toLowerCase() : first!;
  const phrase = [start, ...rest].join(' ');
  return POSSESSIVES.has(pronoun.toLowerCase()) ? `${phrase}'s` : phrase;
}

function prepare(doc: Doc): Doc {
  const [text, pronoun, at] = [String(doc.text), String(doc.pronoun), Number(doc.pronoun_loc)];
  return {
    before: text.slice(0, at),
    after: text.slice(at + pronoun.length).trim(),
    options: (doc.options as string[]).map((option) =>
      inPlace(option, pronoun, at === 0 || text[at - 2] === '.'),
    ),
    label: Number(doc.label),
  };
}

/** The Winograd schemas (Levesque et al. 2012), partial evaluation (Trinh and Le 2018), as GPT-2 and GPT-3 report them. */
export const wsc273: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'wsc273',
  version: 1,
  title: 'Winograd schemas: which noun the pronoun stands for',
  groups: ['winograd'],
  data: { files: { test: 'winograd/wsc273.jsonl' }, prepare },
  prompt: '{{ before }}{{ choice }}',
  choices: (doc) => doc.options as string[],
  ending: ' {{ after }}',
  target: (doc) => doc.label as number,
  normalisations: ['sum'],
};
