import type { LogLikelihoodTask } from '../task.js';

const SETS: Record<string, [file: string, title: string]> = {
  arithmetic_2da: ['two_digit_addition', 'two-digit addition'],
  arithmetic_2ds: ['two_digit_subtraction', 'two-digit subtraction'],
  arithmetic_3da: ['three_digit_addition', 'three-digit addition'],
  arithmetic_3ds: ['three_digit_subtraction', 'three-digit subtraction'],
  arithmetic_4da: ['four_digit_addition', 'four-digit addition'],
  arithmetic_4ds: ['four_digit_subtraction', 'four-digit subtraction'],
  arithmetic_5da: ['five_digit_addition', 'five-digit addition'],
  arithmetic_5ds: ['five_digit_subtraction', 'five-digit subtraction'],
  arithmetic_2dm: ['two_digit_multiplication', 'two-digit multiplication'],
  arithmetic_1dc: ['single_digit_three_ops', 'three one-digit operations'],
};

/** The form in which lm-evaluation-harness asks these questions. */
const spellOut = (context: string) =>
  context.trim().replaceAll('\n\n', '\n').replaceAll('Q:', 'Question:').replaceAll('A:', 'Answer:');

/** The arithmetic sets of GPT-3 (Brown et al. 2020, §3.9.1): right when greedy decoding writes the answer. */
export const arithmetic = Object.entries(SETS).map(
  ([name, [file, title]]): LogLikelihoodTask => ({
    kind: 'log-likelihood',
    name,
    version: 1,
    title: `GPT-3 arithmetic: ${title}`,
    groups: ['arithmetic'],
    data: { files: { test: `arithmetic/${file}.jsonl` } },
    prompt: (doc) => spellOut(String(doc.context)),
    target: (doc) => String(doc.completion),
    targetDelimiter: '',
  }),
);

const SCRAMBLES: Record<string, string> = {
  cycle_letters: 'cycle_letters_in_word',
  anagrams1: 'mid_word_1_anagrams',
  anagrams2: 'mid_word_2_anagrams',
  random_insertion: 'random_insertion_in_word',
  reversed_words: 'reversed_words',
};

/** The word-scrambling sets of GPT-3 (§3.9.2). */
export const scramble = Object.entries(SCRAMBLES).map(
  ([name, file]): LogLikelihoodTask => ({
    kind: 'log-likelihood',
    name: `scramble_${name}`,
    version: 1,
    title: `GPT-3 word scrambling: ${name.replaceAll('_', ' ')}`,
    groups: ['scramble'],
    data: { files: { test: `scramble/${file}.jsonl.gz` } },
    prompt: (doc) => String(doc.context).trimEnd(),
    target: (doc) => ` ${String(doc.completion).trim()}`,
    targetDelimiter: '',
  }),
);
