import { HUMAN_EVAL_STOP, type HumanEvalProblem, humanEvalProgram } from '../../code-execution/human-eval.js';
import type { CodeTask, Doc } from '../task.js';

/** HumanEval (Chen et al. 2021): 164 Python functions from their docstrings, decided by unit tests. */
const humaneval: CodeTask = {
  kind: 'code',
  name: 'humaneval',
  version: 1,
  title: 'HumanEval: Python functions from docstrings, pass@k',
  groups: ['code'],
  data: { files: { test: 'humaneval/HumanEval.jsonl.gz' } },
  prompt: (doc) => String(doc.prompt),
  stop: [...HUMAN_EVAL_STOP],
  program: (doc, completion) => humanEvalProgram(doc as unknown as HumanEvalProblem, completion),
  fewShot: { target: '{{ canonical_solution }}' },
  k: [1, 10, 100],
};

/** HumanEval with 20 samples a problem, for pass@1 and pass@10 at the paper's temperature 0.8. */
const humanevalSampled: CodeTask = {
  ...humaneval,
  name: 'humaneval_20',
  title: 'HumanEval, 20 samples at temperature 0.8: pass@1 and pass@10',
  samples: 20,
  temperature: 0.8,
};

const tests = (doc: Doc) => (doc.test_list as string[]).join('\n');

/** MBPP (Austin et al. 2021): short Python programs from a sentence and three tests. */
const mbpp: CodeTask = {
  kind: 'code',
  name: 'mbpp',
  version: 1,
  title: 'MBPP: short Python programs from a sentence and their tests',
  groups: ['code'],
  data: { files: { test: 'mbpp/test.jsonl', prompt: 'mbpp/prompt.jsonl' } },
  prompt: (doc) =>
    `You are an expert Python programmer, and here is your task: ${doc.text} Your code should pass these tests:\n\n${tests(doc)}\n[BEGIN]\n`,
  targetDelimiter: '',
  fewShot: { split: 'prompt', sampler: 'first', target: '{{ code }}\n[DONE]' },
  shots: 3,
  stop: ['[DONE]'],
  program: (doc, completion) => `${completion}\n\n${doc.test_setup_code ?? ''}\n${tests(doc)}\n`,
};

export const code = [humaneval, humanevalSampled, mbpp];
