import type { Doc, GenerationTask, MultipleChoiceTask } from '../task.js';

/** RACE (Lai et al. 2017): English examinations of Chinese schools. */
const race = (level: string): MultipleChoiceTask => ({
  kind: 'multiple-choice',
  name: `race_${level}`,
  version: 1,
  title: `RACE, ${level} school: questions about an article`,
  groups: ['race'],
  data: { files: { test: `race/${level}.jsonl` } },
  prompt: 'Article: {{ article }}\n\nQuestion: {{ question }}\nAnswer:',
  choices: (doc) => doc.options as string[],
  target: (doc) => 'ABCD'.indexOf(String(doc.answer)),
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
  const last = [answers, ...others.map((other) => other.input_text)].map((list) => list.at(-1)!);
  return { prompt: [doc.story, ...turns].join('\n\n'), answers: [...new Set(last)] };
}

/** CoQA (Reddy et al. 2019): the last question of a conversation about a story. */
const coqa: GenerationTask = {
  kind: 'generation',
  name: 'coqa',
  version: 1,
  title: 'CoQA: the last question of a conversation about a story',
  groups: ['reading'],
  data: { files: { test: 'coqa/validation.jsonl' }, prepare: conversation },
  prompt: '{{ prompt }}',
  target: (doc) => doc.answers as string[],
  stop: ['\nQ:', '\n'],
  maxTokens: 48,
  metrics: ['squad_exact_match', 'f1'],
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
