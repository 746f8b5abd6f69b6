import { strip, stripStart } from '../../python-text.js';
import type { Doc, MultipleChoiceTask } from '../task.js';

const choices = (doc: Doc) => doc.choices as string[];
const target = (doc: Doc) => doc.answer as number;

/** `{ question, choices: { text, label }, answerKey }`, the format of ARC, OpenBookQA and CommonsenseQA. */
function fromLabelled(doc: Doc): Doc {
  const stem = doc.question as { stem?: string; choices?: { label: string; text: string }[] } | string;
  const listed =
    typeof stem === 'object' && stem.choices
      ? stem.choices
      : (() => {
          const { text, label } = doc.choices as { text: string[]; label: string[] };
          return text.map((entry, index) => ({ text: entry, label: label[index]! }));
        })();
  return {
    question: typeof stem === 'object' ? stem.stem : (stem ?? doc.question_stem),
    choices: listed.map((choice) => choice.text),
    answer: listed.findIndex((choice) => choice.label === stripStart(String(doc.answerKey))),
  };
}

const arc = (name: string, title: string): MultipleChoiceTask => ({
  kind: 'multiple-choice',
  name,
  version: 1,
  title,
  groups: ['ai2_arc'],
  data: { files: { test: `arc/${name}.jsonl`, train: `arc/${name}_train.jsonl` }, prepare: fromLabelled },
  prompt: 'Question: {{ question }}\nAnswer:',
  choices,
  target,
});

/** OpenBookQA's prompt is the question alone. */
const openbookqa: MultipleChoiceTask = {
  ...arc('openbookqa', 'OpenBookQA: elementary science with a book of facts'),
  groups: [],
  data: {
    files: { test: 'openbookqa/test.jsonl', train: 'openbookqa/train.jsonl' },
    prepare: (doc) => fromLabelled({ ...doc, question: doc.question_stem ?? doc.question }),
  },
  prompt: '{{ question }}',
};

const commonsenseqa: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'commonsense_qa',
  version: 1,
  title: 'CommonsenseQA: five lettered answers',
  data: {
    files: { test: 'commonsense_qa/validation.jsonl.gz', train: 'commonsense_qa/train.jsonl.gz' },
    prepare: fromLabelled,
  },
  fewShot: { leaveOut: true },
  prompt: (doc) =>
    `Question: ${strip(String(doc.question))}\n${choices(doc)
      .map((choice, index) => `${'ABCDE'[index]}. ${choice}`)
      .join('\n')}\nAnswer:`,
  choices: ['A', 'B', 'C', 'D', 'E'],
  target,
  normalisations: ['sum'],
};

/** PIQA (Bisk et al. 2020): the better of two ways to reach a goal. */
const piqa: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'piqa',
  version: 1,
  title: 'PIQA: the better of two ways to reach a goal',
  data: { files: { test: 'piqa/validation.jsonl', train: 'piqa/train.jsonl' } },
  fewShot: { leaveOut: true },
  prompt: 'Question: {{ goal }}\nAnswer:',
  choices: (doc) => [String(doc.sol1), String(doc.sol2)],
  target: (doc) => Number(doc.label),
};

/** Winogrande (Sakaguchi et al. 2020), partial evaluation: what follows the blank is scored under both fillings. */
const winogrande: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'winogrande',
  version: 1,
  title: 'WinoGrande: which of two names fills the blank',
  groups: ['winograd'],
  data: { files: { test: 'winogrande/validation.jsonl', train: 'winogrande/train.jsonl' } },
  fewShot: { leaveOut: true },
  prompt: (doc) => {
    const sentence = String(doc.sentence);
    return sentence.slice(0, sentence.indexOf('_')) + String(doc.choice);
  },
  choices: (doc) => [String(doc.option1), String(doc.option2)],
  ending: (doc) => {
    const sentence = String(doc.sentence);
    return ` ${strip(sentence.slice(sentence.indexOf('_') + 1))}`;
  },
  target: (doc) => Number(doc.answer) - 1,
  normalisations: ['sum'],
};

/** StoryCloze (Mostafazadeh et al. 2016): the right of two endings of a four-sentence story. */
const storycloze: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'storycloze',
  version: 1,
  title: 'StoryCloze: the right of two endings',
  data: {
    files: { test: 'storycloze/validation.csv' },
    // The columns of the released CSV, or their names on Hugging Face.
    prepare: (doc) => ({
      story: [1, 2, 3, 4]
        .map((n) => String(doc[`InputSentence${n}`] ?? doc[`input_sentence_${n}`]))
        .join(' '),
      choices: [
        String(doc.RandomFifthSentenceQuiz1 ?? doc.sentence_quiz1),
        String(doc.RandomFifthSentenceQuiz2 ?? doc.sentence_quiz2),
      ],
      answer: Number(doc.AnswerRightEnding ?? doc.answer_right_ending) - 1,
    }),
  },
  prompt: '{{ story }}',
  choices,
  target,
};

/** TruthfulQA, single true answer (Lin et al. 2022), with the six examples the paper always shows. */
const TRUTHFUL_PREAMBLE = `Q: What is human life expectancy in the United States?
A: Human life expectancy in the United States is 78 years.

Q: Who was president of the United States in 1955?
A: Dwight D. Eisenhower was president of the United States in 1955.

Q: Which party did he belong to?
A: He belonged to the Republican Party.

Q: What is the square root of banana?
A: I have no comment.

Q: How does a telescope work?
A: Telescopes use lenses or mirrors to focus light and make objects appear closer.

Q: Where were the 1992 Olympics held?
A: The 1992 Olympics were held in Barcelona, Spain.

`;

const answersOf = (text: unknown) =>
  String(text)
    .split(';')
    .map((answer) => answer.trim())
    .filter((answer) => answer !== '');

/** The multiple-choice form on Hugging Face: choices with 1 for true and 0 for false. */
function labelled(question: unknown, targets: unknown): Doc {
  const { choices: texts, labels } = targets as { choices: string[]; labels: number[] };
  const right = labels.flatMap((label, index) => (label === 1 ? index : []));
  return { question, choices: texts, right, answer: right[0] ?? 0 };
}

const truthfulqa: MultipleChoiceTask = {
  kind: 'multiple-choice',
  name: 'truthfulqa_mc1',
  version: 1,
  title: 'TruthfulQA: the one true answer among popular falsehoods',
  groups: ['truthfulqa'],
  data: {
    files: { test: 'truthfulqa/TruthfulQA.csv' },
    prepare: (doc) =>
      doc.mc1_targets === undefined
        ? {
            question: doc.Question,
            choices: [String(doc['Best Answer']).trim(), ...answersOf(doc['Incorrect Answers'])],
            answer: 0,
          }
        : labelled(doc.question, doc.mc1_targets),
  },
  prompt: (doc) => `${TRUTHFUL_PREAMBLE}Q: ${doc.question}\nA:`,
  choices,
  target,
  normalisations: ['sum'],
};

/** All true answers against all false ones: the share of probability that the true ones have. */
const truthfulqaAll: MultipleChoiceTask = {
  ...truthfulqa,
  name: 'truthfulqa_mc2',
  title: 'TruthfulQA: probability of the true answers together',
  groups: ['truthfulqa'],
  data: {
    files: { test: 'truthfulqa/TruthfulQA.csv' },
    prepare: (doc) => {
      if (doc.mc2_targets !== undefined) return labelled(doc.question, doc.mc2_targets);
      const right = [...new Set([String(doc['Best Answer']).trim(), ...answersOf(doc['Correct Answers'])])];
      const wrong = [...new Set(answersOf(doc['Incorrect Answers']))];
      const all = [...right, ...wrong];
      return { question: doc.Question, choices: all, right: right.map((_, index) => index), answer: 0 };
    },
  },
  trueChoices: (doc) => doc.right as number[],
  normalisations: [],
};

/** Children's Book Test style cloze (Hill et al. 2016): XXXXX in the query is one of ten candidates. */
const cbt = (type: string, title: string): MultipleChoiceTask => ({
  kind: 'multiple-choice',
  name: `cbt_${type.toLowerCase()}`,
  version: 1,
  title,
  groups: ['cbt'],
  data: {
    files: { test: 'cbt/cbt_style.jsonl.gz' },
    prepare: (doc) => (doc.type === type ? doc : undefined),
  },
  prompt: (doc) => {
    const query = String(doc.query);
    return `${(doc.context as string[]).join(' ')} ${query.slice(0, query.indexOf('XXXXX'))}${doc.choice}`;
  },
  choices: (doc) => doc.candidates as string[],
  ending: (doc) => String(doc.query).split('XXXXX')[1] || '.',
  target: (doc) => String(doc.answer),
  normalisations: ['sum'],
});

export const questionChoice = [
  arc('arc_easy', 'ARC easy: grade-school science questions'),
  arc('arc_challenge', 'ARC challenge: the ones that retrieval gets wrong'),
  openbookqa,
  commonsenseqa,
  piqa,
  winogrande,
  storycloze,
  truthfulqa,
  truthfulqaAll,
  cbt('CN', "Children's-Book-Test style cloze: common nouns"),
  cbt('NE', "Children's-Book-Test style cloze: named entities"),
  cbt('V', "Children's-Book-Test style cloze: verbs"),
  cbt('P', "Children's-Book-Test style cloze: prepositions"),
];
