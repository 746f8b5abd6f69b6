import type { LogLikelihoodTask } from '../task.js';

const lastSpace = (text: unknown) => String(text).lastIndexOf(' ');
const context = (text: unknown) => String(text).slice(0, Math.max(0, lastSpace(text)));
const lastWord = (text: unknown) => String(text).slice(lastSpace(text) + 1);

/**
 * LAMBADA (Paperno et al. 2016): the last word of a passage that needs the whole passage. GPT-2's text variant, scored
 * as lm-evaluation-harness does (accuracy = greedy decoding writes the whole word).
 */
const openai: LogLikelihoodTask = {
  kind: 'log-likelihood',
  name: 'lambada_openai',
  version: 1,
  title: 'LAMBADA, GPT-2 text variant: last word of a passage',
  groups: ['lambada'],
  data: { files: { test: 'lambada/lambada_openai.jsonl.gz' } },
  prompt: (doc) => context(doc.text),
  target: (doc) => ` ${lastWord(doc.text)}`,
};

/** The tokenised text of the original release: spaces around punctuation, quotes as `` and ''. */
const standard: LogLikelihoodTask = {
  ...openai,
  name: 'lambada_standard',
  title: 'LAMBADA, original tokenised text: last word of a passage',
  data: { files: { test: 'lambada/lambada_standard.jsonl.gz' } },
};

/** The fill-in form that GPT-3 was given few-shot (Brown et al. 2020, §3.1.1). */
const cloze: LogLikelihoodTask = {
  ...openai,
  name: 'lambada_openai_cloze',
  title: 'LAMBADA as a fill-in: "… ____. ->", GPT-3\'s few-shot form',
  groups: ['lambada'],
  prompt: (doc) => `${context(doc.text)} ____. ->`,
};

export const lambada = [openai, standard, cloze];
