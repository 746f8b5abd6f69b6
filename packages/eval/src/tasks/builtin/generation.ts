import { HUMAN_EVAL_STOP, type HumanEvalProblem, humanEvalProgram } from '../../code-execution/human-eval.js';
import type { CodeTask, GenerationTask } from '../task.js';

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

const translation = (from: string, to: string, name: string): GenerationTask => ({
  kind: 'generation',
  name,
  version: 1,
  title: `Translation ${from} to ${to}: BLEU and chrF`,
  groups: ['translation'],
  data: { files: { test: `translation/${name}.jsonl.gz` } },
  prompt: `${from} phrase: {{ source }}\n${to} phrase:`,
  target: '{{ target }}',
  stop: ['\n'],
  maxTokens: 64,
  filters: { none: [{ kind: 'first-line' }, { kind: 'trim' }] },
  metrics: ['bleu', 'chrf'],
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
  target: (doc) => doc.answers as string[],
  stop: ['\n', '.', ','],
  maxTokens: 24,
  metrics: ['squad_exact_match', 'f1'],
});

/** HumanEval (Chen et al. 2021): 164 Python functions from their docstrings, decided by unit tests. */
const humaneval: CodeTask = {
  kind: 'code',
  name: 'humaneval',
  version: 1,
  title: 'HumanEval: Python functions from docstrings, pass@k',
  data: { files: { test: 'humaneval/HumanEval.jsonl.gz' } },
  prompt: (doc) => String(doc.prompt),
  stop: [...HUMAN_EVAL_STOP],
  program: (doc, completion) => humanEvalProgram(doc as unknown as HumanEvalProblem, completion),
  k: [1, 10, 100],
};

export const generation = [
  gsm8k,
  gsm8kVotes,
  summarisation,
  translation('English', 'Chinese', 'translation_en_zh'),
  translation('English', 'German', 'translation_en_de'),
  closedBook('triviaqa', 'TriviaQA, closed book'),
  closedBook('nq_open', 'Natural Questions, closed book'),
  closedBook('webqs', 'WebQuestions, closed book'),
  humaneval,
];
