import type { GenerationTask, LogLikelihoodTask } from '../task.js';

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

const STOP_WORDS =
  'a about above after again against all am an and any are as at be because been before being below between both but by can did do does doing down during each few for from further had has have having he her here hers herself him himself his how i if in into is it its itself just me more most my myself no nor not now of off on once only or other our ours ourselves out over own same she should so some such than that the their theirs them themselves then there these they this those through to too under until up very was we were what when where which while who whom why will with you your yours yourself yourselves'.split(
    ' ',
  );

/**
 * GPT-2's stop-word filter (Radford et al. 2019, §3.3): a last word is no stop word. The first words of sampled
 * continuations vote, stop words excluded, where GPT-2 removed them from its beam.
 */
const stopWords: GenerationTask = {
  kind: 'generation',
  name: 'lambada_openai_stop_words',
  version: 1,
  title: 'LAMBADA with a stop-word filter: sampled last words vote, stop words excluded',
  groups: ['lambada'],
  data: openai.data,
  prompt: (doc) => context(doc.text),
  target: (doc) => lastWord(doc.text).replace(/\W+$/u, '').toLowerCase(),
  fewShot: { target: (doc) => lastWord(doc.text) },
  stop: ['\n'],
  maxTokens: 6,
  votes: 16,
  temperature: 0.7,
  filters: {
    none: [
      { kind: 'regex', pattern: "[\\p{L}\\p{N}][\\p{L}\\p{N}'’-]*" },
      { kind: 'lowercase' },
      { kind: 'reject', words: STOP_WORDS },
    ],
  },
  metrics: ['exact_match'],
};

export const lambada = [openai, standard, cloze, stopWords];
