import type { Doc, GenerationTask, MultipleChoiceTask } from '../task.js';

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
  normalise: [{ kind: 'remove', patterns: [',', '\\$', '[^]*#### ', '\\.(?=\\n?$)'] }, { kind: 'lowercase' }],
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

/** `{ source, target }`, or `{ translation: { en, de } }` as WMT is published on Hugging Face. */
function byLanguage(doc: Doc, other: string): Doc {
  const pair = doc.translation as Record<string, string> | undefined;
  return pair ? { source: pair.en, target: pair[other] } : doc;
}

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
      data: {
        files: { test: `translation/translation_en_${other}.jsonl.gz` },
        prepare: (doc) => byLanguage(doc, other),
      },
      prompt: `${LANGUAGES[from!]} phrase: {{ ${source} }}\n${LANGUAGES[to!]} phrase:`,
      target: `{{ ${target} }}`,
      // One space more than the separating one, as in lm-evaluation-harness.
      fewShot: { target: ` {{ ${target} }}` },
      stop: ['\n'],
      maxTokens: 64,
      filters: { none: [{ kind: 'first-line' }, { kind: 'trim' }] },
      metrics: ['bleu', 'chrf'],
      ...(to === 'zh' ? { bleuTokenizer: 'char' } : {}),
    };
  });

const accepted = (doc: Doc) =>
  (doc.answers ?? (doc.answer as { aliases?: string[] } | undefined)?.aliases ?? doc.answer) as string[];

const PUNCTUATION = '[!-/:-@\\[-`{-~]';

/** Closed-book questions, answered by writing; capitals and punctuation do not count. */
const closedBook = (
  definition: Pick<GenerationTask, 'name' | 'title'> & Partial<GenerationTask>,
): GenerationTask => ({
  kind: 'generation',
  version: 2,
  groups: ['closed_book'],
  data: { files: { test: `${definition.name}/test.jsonl.gz`, train: `${definition.name}/train.jsonl.gz` } },
  fewShot: { leaveOut: true },
  prompt: 'Question: {{ question }}?\nAnswer:',
  target: accepted,
  stop: ['\n', '.', ','],
  maxTokens: 24,
  filters: { none: [{ kind: 'trim-start' }] },
  normalise: [{ kind: 'lowercase' }, { kind: 'remove', patterns: [PUNCTUATION] }],
  metrics: ['exact_match', 'f1'],
  ...definition,
});

/** TriviaQA (Joshi et al. 2017). */
const triviaqa = closedBook({ name: 'triviaqa', title: 'TriviaQA, closed book' });

/** Natural Questions (Kwiatkowski et al. 2019), those with short answers. */
const naturalQuestions = closedBook({
  name: 'nq_open',
  title: 'Natural Questions, closed book',
  description: 'Answer these questions:\n\n',
  prompt: 'Q: {{ question }}?\nA:',
  fewShot: { delimiter: '\n', leaveOut: true },
  normalise: [
    { kind: 'remove', patterns: ['(?<![\\p{L}\\p{N}_])(?:The |the |An |A |a |an )'] },
    { kind: 'lowercase' },
    { kind: 'remove', patterns: [PUNCTUATION] },
  ],
});

/** Accepted answers without those that begin with another one: whoever writes the longer wrote the shorter. */
function shortest(doc: Doc): Doc {
  const kept: string[] = [];
  for (const answer of [...accepted(doc)].sort((a, b) => (a < b ? -1 : 1)))
    if (kept.length === 0 || !answer.startsWith(kept.at(-1)!)) kept.push(answer);
  return { question: doc.question, choices: kept };
}

/** WebQuestions (Berant et al. 2013): right when greedy decoding writes an accepted answer. */
const webQuestions: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'webqs',
  version: 2,
  title: 'WebQuestions, closed book',
  groups: ['closed_book'],
  data: { files: { test: 'webqs/test.jsonl.gz', train: 'webqs/train.jsonl.gz' }, prepare: shortest },
  prompt: 'Question: {{ question }}\nAnswer:',
  choices: (doc) => doc.choices as string[],
  target: () => 0,
  anyChoice: true,
  normalisations: [],
};

export const generation = [
  gsm8k,
  gsm8kVotes,
  summarisation,
  ...['zh', 'de', 'fr'].flatMap(translation),
  triviaqa,
  naturalQuestions,
  webQuestions,
];
