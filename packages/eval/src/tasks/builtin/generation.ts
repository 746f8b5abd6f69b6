import type { GenerationTask } from '../task.js';

/** GSM8K (Cobbe et al. 2021): the number after `####` (strict), or the last number at all (flexible). */
const gsm8k: GenerationTask = {
  kind: 'generation',
  name: 'gsm8k',
  version: 3,
  title: 'GSM8K: grade-school word problems, chain of thought',
  data: { files: { test: 'gsm8k/test.jsonl.gz', train: 'gsm8k/train.jsonl.gz' } },
  prompt: 'Question: {{ question }}\nAnswer:',
  target: '{{ answer }}',
  fewShot: { split: 'train' },
  shots: 5,
  stop: ['Question:', '</s>', '<|im_end|>'],
  filters: {
    'strict-match': [{ kind: 'regex', pattern: '#### (-?[0-9.,]+)' }],
    'flexible-extract': [{ kind: 'regex', pattern: '(-?[$0-9.,]{2,})|(-?[0-9]+)', pick: 'last' }],
  },
  normalise: [{ kind: 'remove', patterns: [',', '\\$', '[^]*#### ', '\\.$'] }, { kind: 'lowercase' }],
  metrics: ['exact_match'],
};

/** GSM8K by self-consistency (Wang et al. 2023): the majority of sampled chains decides. */
const gsm8kVotes: GenerationTask = {
  ...gsm8k,
  name: 'gsm8k_self_consistency',
  version: 1,
  title: 'GSM8K with self-consistency: the majority of 8 sampled chains',
  votes: 8,
  temperature: 0.7,
};

/** Summaries by the hint of GPT-2 (Radford et al. 2019, §3.6). */
const summarisation: GenerationTask = {
  kind: 'generation',
  name: 'tldr_summarisation',
  version: 1,
  title: 'Summarisation with "TL;DR:", ROUGE',
  data: { files: { test: 'summarisation/test.jsonl.gz' } },
  prompt: '{{ text }}\nTL;DR:',
  target: '{{ summary }}',
  stop: ['\n\n'],
  maxTokens: 100,
  metrics: ['rouge'],
};

const LANGUAGES: Record<string, string> = { en: 'English', zh: 'Chinese', de: 'German', fr: 'French' };

/** A pair of languages in both directions, over files of `{ source, target }` from English. */
const translation = (other: string): GenerationTask[] =>
  [
    ['en', other],
    [other, 'en'],
  ].map(([from, to]): GenerationTask => {
    const [source, target] = from === 'en' ? ['source', 'target'] : ['target', 'source'];
    return {
      kind: 'generation',
      name: `translation_${from}_${to}`,
      version: 1,
      title: `Translation ${LANGUAGES[from!]} to ${LANGUAGES[to!]}: BLEU and chrF`,
      groups: ['translation'],
      data: { files: { test: `translation/translation_en_${other}.jsonl.gz` } },
      prompt: `${LANGUAGES[from!]} phrase: {{ ${source} }}\n${LANGUAGES[to!]} phrase:`,
      target: `{{ ${target} }}`,
      stop: ['\n'],
      maxTokens: 64,
      filters: { none: [{ kind: 'first-line' }, { kind: 'trim' }] },
      metrics: ['bleu', 'chrf'],
      ...(to === 'zh' ? { bleuTokenizer: 'char' } : {}),
    };
  });

/** Closed-book questions (TriviaQA, Natural Questions, WebQuestions share this form). */
const closedBook = (name: string, title: string): GenerationTask => ({
  kind: 'generation',
  name,
  version: 1,
  title,
  groups: ['closed_book'],
  data: { files: { test: `${name}/test.jsonl.gz` } },
  prompt: 'Question: {{ question }}?\nAnswer:',
  target: (doc) =>
    (doc.answers ?? (doc.answer as { aliases?: string[] } | undefined)?.aliases ?? doc.answer) as string[],
  stop: ['\n', '.', ','],
  maxTokens: 24,
  metrics: ['squad_exact_match', 'f1'],
});

export const generation = [
  gsm8k,
  gsm8kVotes,
  summarisation,
  ...['zh', 'de', 'fr'].flatMap(translation),
  closedBook('triviaqa', 'TriviaQA, closed book'),
  {
    ...closedBook('nq_open', 'Natural Questions, closed book'),
    description: 'Answer these questions:\n\n',
    prompt: 'Q: {{ question }}?\nA:',
    fewShot: { delimiter: '\n' },
  },
  closedBook('webqs', 'WebQuestions, closed book'),
];
