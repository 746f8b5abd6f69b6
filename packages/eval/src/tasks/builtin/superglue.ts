import { slice, strip, words } from '../../python-text.js';
import type { Doc, MultipleChoiceTask } from '../task.js';

/** `true`/`false`, `0`/`1` or `"true"`/`"false"`: the public files differ. */
const truth = (value: unknown): number =>
  Number(value === true || value === 1 || /^(true|1)$/iu.test(String(value)));

/** Index of a label that the files give by number or by name. */
const labelIn =
  (...names: string[]) =>
  (value: unknown): number =>
    typeof value === 'number' ? value : names.indexOf(String(value));

const task = (
  definition: Omit<MultipleChoiceTask, 'kind' | 'version' | 'groups' | 'data'>,
): MultipleChoiceTask => ({
  kind: 'multiple-choice',
  version: 1,
  groups: ['super_glue'],
  data: { files: { test: `${definition.name}/validation.jsonl`, train: `${definition.name}/train.jsonl` } },
  fewShot: { leaveOut: true },
  normalisations: ['sum'],
  ...definition,
});

/** BoolQ (Clark et al. 2019): a yes/no question about a passage. */
const boolq = task({
  name: 'boolq',
  title: 'BoolQ: yes or no, from a passage',
  prompt: '{{ passage }}\nQuestion: {{ question }}?\nAnswer:',
  choices: ['no', 'yes'],
  target: (doc) => truth(doc.answer ?? doc.label),
});

/** CommitmentBank (de Marneffe et al. 2019). */
const cb = task({
  name: 'cb',
  title: 'CommitmentBank: true, false, or neither',
  prompt: '{{ premise }}\nQuestion: {{ hypothesis }}. True, False, or Neither?\nAnswer:',
  choices: ['True', 'False', 'Neither'],
  target: (doc) => labelIn('entailment', 'contradiction', 'neutral')(doc.label),
  classMetrics: ['macro_f1'],
});

/** Recognising textual entailment (Dagan et al. 2005). */
const rte = task({
  name: 'rte',
  title: 'RTE: does the first text say the second?',
  prompt: (doc) =>
    `${doc.premise ?? doc.sentence1}\nQuestion: ${doc.hypothesis ?? doc.sentence2} True or False?\nAnswer:`,
  choices: ['True', 'False'],
  target: (doc) => labelIn('entailment', 'not_entailment')(doc.label),
});

/** Word in context (Pilehvar and Camacho-Collados 2019). */
const wic = task({
  name: 'wic',
  title: 'WiC: is a word used in one sense in two sentences?',
  prompt: (doc) =>
    `Sentence 1: ${doc.sentence1}\nSentence 2: ${doc.sentence2}\nQuestion: Is the word '${slice(String(doc.sentence1), Number(doc.start1), Number(doc.end1))}' used in the same way in the two sentences above?\nAnswer:`,
  choices: ['no', 'yes'],
  target: (doc) => truth(doc.label),
});

const withoutCapital = (sentence: unknown) => {
  const [first = '', ...rest] = String(sentence);
  return first.toLowerCase() + rest.join('');
};

/**
 * Choice of plausible alternatives (Roemmele et al. 2011): what was the cause, what the effect? The choices begin with a
 * space after the one that separates them from the prompt, as in lm-evaluation-harness.
 */
const copa = task({
  name: 'copa',
  title: 'COPA: the likelier cause or effect',
  prompt: (doc) =>
    `${slice(strip(String(doc.premise)), 0, -1)} ${doc.question === 'cause' ? 'because' : 'therefore'}`,
  choices: (doc) => [` ${withoutCapital(doc.choice1)}`, ` ${withoutCapital(doc.choice2)}`],
  target: (doc) => Number(doc.label),
});

/** The passage of a Winograd question with its pronoun starred, without the spaces of a tokenised text. */
function starred(doc: Doc): string {
  const { span2_index: at, span2_text: pronoun } = spans(doc);
  const passage = String(doc.text);
  const before = words(passage).slice(0, at).join(' ');
  const after = passage.slice(before.length + pronoun.length + 1);
  return `${before} *${pronoun}*${after}`
    .replaceAll(" n't", "n't")
    .replaceAll(' )', ')')
    .replaceAll('( ', '(')
    .replaceAll('" ', '"')
    .replaceAll(' "', '"')
    .replace(/ (['.,])/gu, '$1');
}

const spans = (doc: Doc) =>
  (doc.target ?? doc) as { span1_text: string; span2_text: string; span2_index: number };

/** SuperGLUE's Winograd questions (Levesque et al. 2012): does the pronoun mean that noun? */
const wsc = task({
  name: 'wsc',
  title: 'Winograd schema, SuperGLUE form: does the pronoun mean that noun?',
  prompt: (doc) =>
    `Passage: ${starred(doc)}\nQuestion: In the passage above, does the pronoun "*${spans(doc).span2_text}*" refer to "*${spans(doc).span1_text}*"?\nAnswer:`,
  choices: ['no', 'yes'],
  target: (doc) => truth(doc.label),
});

export const superglue = [boolq, cb, rte, wic, copa, wsc];
