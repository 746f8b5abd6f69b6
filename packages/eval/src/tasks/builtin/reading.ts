import { TaskError } from '../../errors.js';
import { exactMatch, tokenF1 } from '../../metrics/question-answering.js';
import { parseLiteral } from '../../python-text.js';
import type { Doc, GenerationTask, MultipleChoiceTask } from '../task.js';

interface RaceProblem {
  readonly question: string;
  readonly options: readonly string[];
  readonly answer: string;
}

const rightOption = ({ options, answer }: RaceProblem) => options['ABCD'.indexOf(answer)] ?? '';

function problemsOf(doc: Doc): readonly RaceProblem[] {
  let list: unknown = doc.problems ?? [doc];
  try {
    if (typeof list === 'string') list = parseLiteral(list);
  } catch (cause) {
    throw new TaskError('race', 'problems must be a list of { question, options, answer }', { cause });
  }
  return list as readonly RaceProblem[];
}

/**
 * An article with its questions: all but the last are shown with their answers, filled into the gap or after the question.
 * A record has either one question, or the list `problems`, which some copies keep as text of Python.
 */
function examination(doc: Doc): Doc {
  const problems = problemsOf(doc);
  const shown = problems
    .slice(0, -1)
    .map((problem) =>
      problem.question.endsWith('  _  .')
        ? `${problem.question.slice(0, -5)}${rightOption(problem)}\n`
        : `Question: ${problem.question}\nAnswer: ${rightOption(problem)}\n`,
    );
  const last = problems.at(-1)!;
  return {
    prompt: `Article: ${doc.article}\n\n${shown.join('')}${last.question}`,
    options: last.options,
    answer: 'ABCD'.indexOf(last.answer),
  };
}

/** RACE (Lai et al. 2017): English examinations of Chinese schools. */
const race = (level: string): MultipleChoiceTask => ({
  kind: 'multiple-choice',
  name: `race_${level}`,
  version: 2,
  title: `RACE, ${level} school: questions about an article`,
  groups: ['race'],
  data: { files: { test: `race/${level}.jsonl` }, prepare: examination },
  prompt: '{{ prompt }}',
  choices: (doc) => doc.options as string[],
  target: (doc) => doc.answer as number,
});

const UNANSWERABLE = 'unanswerable';

/** SQuAD 2.0 (Rajpurkar et al. 2018): a span of the passage, or nothing. */
const squad2: GenerationTask = {
  kind: 'generation',
  name: 'squadv2',
  version: 1,
  title: 'SQuAD 2.0: an answer from the passage, or none',
  groups: ['reading'],
  data: {
    files: { test: 'squad2/validation.jsonl' },
    prepare: (doc) => {
      const answers = (doc.answers as { text: string[] }).text;
      return { ...doc, answers: answers.length > 0 ? answers : [UNANSWERABLE] };
    },
  },
  prompt: 'Title: {{ title }}\n\nBackground: {{ context }}\n\nQuestion: {{ question }}\n\nAnswer:',
  target: (doc) => doc.answers as string[],
  stop: ['\n'],
  maxTokens: 48,
  metrics: ['squad_exact_match', 'f1'],
  category: (doc) => ((doc.answers as string[])[0] === UNANSWERABLE ? 'without answer' : 'with answer'),
};

/** The story, the turns so far and the last question. */
function conversation(doc: Doc): Doc {
  const questions = (doc.questions as { input_text: string[] }).input_text;
  const answers = (doc.answers as { input_text: string[] }).input_text;
  const turns = questions.map((question, turn) =>
    turn < questions.length - 1 ? `Q: ${question}\n\nA: ${answers[turn]}` : `Q: ${question}\n\nA:`,
  );
  const others = Object.values((doc.additional_answers ?? {}) as Record<string, { input_text: string[] }>);
  const accepted: string[] = [];
  for (const answer of [answers, ...others.map((other) => other.input_text)].map((list) => list.at(-1)!)) {
    if (!accepted.some((other) => other.toLowerCase() === answer.toLowerCase())) accepted.push(answer);
  }
  return { prompt: [doc.story, ...turns].join('\n\n'), answers: accepted };
}

/**
 * CoQA's scores: each reference is left out in turn and the best of the others counts, which makes the scores comparable
 * with those of people, who were scored against the others' answers.
 */
function againstOthers(answers: readonly string[], answer: string): { em: number; f1: number } {
  const sets =
    answers.length > 1 ? answers.map((_, left) => answers.filter((__, index) => index !== left)) : [answers];
  const mean = (score: (references: readonly string[]) => number) =>
    sets.reduce((sum, references) => sum + score(references), 0) / sets.length;
  return {
    em: mean((references) => exactMatch(answer, references)),
    f1: mean((references) => tokenF1(answer, references)),
  };
}

/** CoQA (Reddy et al. 2019): the last question of a conversation about a story. */
const coqa: GenerationTask = {
  kind: 'generation',
  name: 'coqa',
  version: 2,
  title: 'CoQA: the last question of a conversation about a story',
  groups: ['reading'],
  data: { files: { test: 'coqa/validation.jsonl', train: 'coqa/train.jsonl' }, prepare: conversation },
  fewShot: { leaveOut: true },
  prompt: '{{ prompt }}',
  target: (doc) => doc.answers as string[],
  stop: ['\nQ:'],
  maxTokens: 48,
  filters: { none: [{ kind: 'first-line' }] },
  metrics: [],
  score: (doc, answer) => againstOthers(doc.answers as string[], answer),
};

/** DROP (Dua et al. 2019): counting, sorting and arithmetic over a passage. */
const drop: GenerationTask = {
  kind: 'generation',
  name: 'drop',
  version: 1,
  title: 'DROP: counting, sorting and arithmetic over a passage',
  groups: ['reading'],
  data: { files: { test: 'drop/validation.jsonl' } },
  prompt: '{{ passage }} {{ question }}',
  target: (doc) => [(doc.answers_spans as { spans: string[] }).spans.join(', ')],
  stop: ['.'],
  maxTokens: 32,
  metrics: ['squad_exact_match', 'f1'],
};

export const reading = [race('middle'), race('high'), squad2, coqa, drop];
