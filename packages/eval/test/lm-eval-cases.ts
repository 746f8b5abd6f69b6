/** Records for the comparison with lm-evaluation-harness, in the public formats, with what is hard about text. */

export interface Case {
  /** Ours. */
  readonly task: string;
  /** The harness' file, below its `tasks` folder. */
  readonly yaml: string;
  readonly shots: number;
  readonly items: readonly object[];
  /** Records that examples come from, where the data set has such a split. */
  readonly examples?: readonly object[];
  /** The harness' name of the evaluated split. */
  readonly split?: string;
  readonly maxTokens?: number;
  /** Changed fields of the harness' task. */
  readonly override?: object;
}

const LONG = 'the old harbour master counted the boats again, and again one was missing; '.repeat(12);

const lambada = [
  'She opened the letter slowly, read it twice, and then she began to cry',
  'Er sah über die Dächer von Köln und dachte an die Brücke und an den Rhein',
  '他说 今天 天气 很 好 我们 去 公园',
  'The cat 🐈 chased the dog 🐕 around the house 🏠 until the cat 🐈',
  'oneword',
  ' leading space and then a word',
  'two  spaces before the last  word',
  'a text that ends in a space ',
  'tabs\tand\nlines stay in the text as they are',
  'café naïve coöperate — “quoted” words… it’s fine”',
  `${LONG}and the last one was the ferry`,
  'the last word is very unusual: antidisestablishmentarianism-floccinaucinihilipilification',
].map((text) => ({ text }));

const hellaswag = [
  [
    'Baking',
    'A woman [substeps] mixes flour',
    'she [title] adds  water.',
    ['stirs it.', 'leaves the  room.', 'eats the bowl [x] whole.', 'sings.'],
    '0',
  ],
  [
    'Straßenmusik',
    'Ein Mann spielt Gitarre.',
    'ER SINGT',
    ['laut.', 'und  tanzt 💃.', 'leise', '[skip]geht weg.'],
    '3',
  ],
  ['Kayaking', 'People paddle down a river.', 'they', ['rest.', 'rest.', 'rest.', 'rest.'], '2'],
  ['Long', LONG, 'then', ['a', 'b', 'c', LONG.slice(0, 200)], '1'],
  ['Spaces ', '  around ', ' the ', [' first ', ' second', 'third ', '  fourth'], '2'],
  ['漢字', '彼は本を読む。', 'ßtart of it', ['はい', 'いいえ', '多分', '🙂🙃'], '1'],
  ['Empty', 'Nothing follows.', '', ['nothing', 'something', 'anything', 'everything'], '0'],
].map(([activity_label, ctx_a, ctx_b, endings, label], ind) => ({
  ind,
  activity_label,
  ctx_a,
  ctx_b,
  endings,
  label,
}));

const labelled = (id: number, text: string[]) => ({
  text,
  label: text.map((_, at) => (id % 2 ? String(at + 1) : 'ABCDE'[at])),
});
const arc = [
  ['Which gas do plants take in?', ['oxygen', 'carbon dioxide', 'helium', 'neon'], 1],
  ['What is H₂O?', ['water', 'salt', 'sand'], 0],
  ['  Which is heavier ', ['1 kg of feathers', '1 kg of iron', 'equal', 'equal'], 2],
  ['光合成に必要なものは？', ['光', '闇', '音', '塩'], 0],
  ['Ties?', ['same', 'same', 'same', 'same'], 3],
  [`${LONG} Which?`, ['this', 'that', 'neither of them', 'both'], 1],
  ['Five choices', ['one', 'two', 'three', 'four', 'five 🖐'], 4],
].map(([question, texts, right], id) => {
  const choices = labelled(id, texts as string[]);
  return { id: `q${id}`, question, choices, answerKey: choices.label[right as number] };
});

const mmlu = (seed: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    question: [
      ' Which star is the brightest? ',
      'Was ist größer?\nZeile zwei',
      'π ≈ ?',
      `${seed}+${at} = ?`,
      LONG,
    ][(at + seed) % 5],
    subject: 'astronomy',
    choices: [`${at}`, ` ${at + 1}`, `${seed + at} km`, at % 2 ? 'über 9000' : 'none of these'],
    answer: (at * 3 + seed) % 4,
  }));

const gsm8k = (seed: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    question: `${['Anna', 'José', '小明', 'Zoë'][at % 4]} has ${at + seed} apples 🍎 and buys ${at * 7}. How many are there${at % 3 ? '?' : ' now? '}`,
    answer: `${at + seed} + ${at * 7} = <<${at + seed}+${at * 7}=${at * 8 + seed}>>${at * 8 + seed}\n#### ${(at * 1008 + seed).toLocaleString('en-US')}`,
  }));

const wikitext = [
  ' = Harbour = \n The harbour ( 12 @.@ 5 m deep ) was built in 1 @,@ 200 days . It is " large " . \n',
  ` = Long = \n ${LONG.repeat(3)} \n`,
  " = Ünïcode = \n Zwölf Boxkämpfer jagen Viktor ; 東京 は 日本 の 首都 ; 🙂 . \n = = Sub = = \n it 's the boys ' boat \n",
  'short',
].map((page) => ({ page }));

/** Two lists of the same kind of record: what is asked, and what examples are drawn from. */
const half = <T>(list: readonly T[]): [T[], T[]] => [
  list.slice(0, Math.ceil(list.length / 2)),
  list.slice(Math.ceil(list.length / 2)),
];

const gsm8kCase = (shots: number): Case => ({
  task: 'gsm8k',
  yaml: 'gsm8k/gsm8k.yaml',
  shots,
  items: gsm8k(3, 5),
  examples: gsm8k(50, 9),
  maxTokens: 20,
  override: {
    generation_kwargs: {
      until: ['Question:', '</s>', '<|im_end|>'],
      do_sample: false,
      temperature: 0,
      max_gen_toks: 20,
    },
  },
});

/** The six formats whose scores are compared with a model, and their prompts. */
export const cases: readonly Case[] = [
  ...[0, 2, 5].flatMap((shots): Case[] => [
    {
      task: 'lambada_openai',
      yaml: 'lambada/lambada_openai.yaml',
      shots,
      items: lambada,
      override: { fewshot_split: 'test' },
    },
    {
      task: 'hellaswag',
      yaml: 'hellaswag/hellaswag.yaml',
      shots,
      items: hellaswag,
      split: 'validation',
      override: { fewshot_split: null },
    },
    { task: 'arc_easy', yaml: 'arc/arc_easy.yaml', shots, items: arc, override: { fewshot_split: 'test' } },
    {
      task: 'mmlu_astronomy',
      yaml: 'mmlu/default/mmlu_astronomy.yaml',
      shots,
      items: mmlu(1, 6),
      examples: mmlu(2, 5),
    },
    gsm8kCase(shots),
  ]),
  {
    task: 'arc_challenge',
    yaml: 'arc/arc_challenge.yaml',
    shots: 2,
    items: half(arc)[0],
    examples: half(arc)[1],
  },
  {
    task: 'hellaswag',
    yaml: 'hellaswag/hellaswag.yaml',
    shots: 2,
    items: half(hellaswag)[0],
    examples: half(hellaswag)[1],
    split: 'validation',
  },
  { task: 'wikitext', yaml: 'wikitext/wikitext.yaml', shots: 0, items: wikitext },
];

const superGlue = (task: string, items: readonly object[]): Case[] =>
  [0, 2].map((shots) => ({
    task,
    yaml: `super_glue/${task}/default.yaml`,
    shots,
    items: half(items)[0],
    examples: half(items)[1].concat(half(items)[0].slice(0, 1)),
    split: 'validation',
  }));

const numbered = (count: number, record: (at: number) => object) =>
  Array.from({ length: count }, (_, at) => record(at));

/** Tasks of which prompts, draws and continuations are compared. */
export const promptCases: readonly Case[] = [
  { task: 'lambada_standard', yaml: 'lambada/lambada_standard.yaml', shots: 0, items: lambada },
  {
    task: 'lambada_openai_cloze',
    yaml: 'lambada_cloze/lambada_openai_cloze.yaml',
    shots: 2,
    items: lambada,
    override: { fewshot_split: 'test' },
  },
  ...superGlue(
    'boolq',
    numbered(8, (at) => ({
      question: `is ${at} größer than one`,
      passage: ` Passage ${at} with “quotes”. `,
      label: at % 2,
    })),
  ),
  ...superGlue(
    'cb',
    numbered(8, (at) => ({
      premise: `Premise ${at}. It’s so.`,
      hypothesis: `hypothesis ${at}`,
      label: at % 3,
    })),
  ),
  ...superGlue(
    'copa',
    numbered(8, (at) => ({
      premise: ` The man ${at} fell. `,
      choice1: 'Örtlich it was wet.',
      choice2: `He slipped ${at}.`,
      question: at % 2 ? 'cause' : 'effect',
      label: at % 3 ? 1 : 0,
    })),
  ),
  ...superGlue(
    'wic',
    numbered(8, (at) => ({
      word: 'bank',
      sentence1: `🙂 The bank ${at} was open.`,
      sentence2: 'A river bank.',
      start1: 6,
      end1: 10,
      start2: 8,
      end2: 12,
      label: at % 2,
    })),
  ),
  ...superGlue(
    'wsc',
    numbered(8, (at) => ({
      text:
        at % 2
          ? `It broke , since ( he ) could n't hold the " thing " ${at} .`
          : `Mark  told Pete many lies about himself , number ${at} .`,
      span1_index: 0,
      span1_text: at % 2 ? 'The thing' : 'Mark',
      span2_index: at % 2 ? 0 : 6,
      span2_text: at % 2 ? 'It' : 'himself',
      label: at % 2,
    })),
  ),
  ...[0, 2].map(
    (shots): Case => ({
      task: 'rte',
      yaml: 'glue/rte/default.yaml',
      shots,
      items: numbered(4, (at) => ({ sentence1: `First ${at}.`, sentence2: `Second ${at}.`, label: at % 2 })),
      examples: numbered(5, (at) => ({
        sentence1: `Example ${at}.`,
        sentence2: `Other ${at}.`,
        label: at % 2,
      })),
      split: 'validation',
    }),
  ),
  ...[0, 3].flatMap((shots): Case[] => [
    {
      task: 'piqa',
      yaml: 'piqa/piqa.yaml',
      shots,
      items: numbered(4, (at) => ({
        goal: `Goal ${at} `,
        sol1: ` do ${at}`,
        sol2: `don’t do ${at}`,
        label: at % 2,
      })),
      examples: numbered(6, (at) => ({
        goal: `Train ${at}`,
        sol1: `yes ${at}`,
        sol2: `no ${at}`,
        label: at % 2,
      })),
      split: 'validation',
    },
    {
      task: 'winogrande',
      yaml: 'winogrande/preprocess_winogrande.py'.replace('preprocess_winogrande.py', 'default.yaml'),
      shots,
      items: numbered(4, (at) => ({
        sentence: `Zoë gave _ the book ${at}, because _ asked.`,
        option1: 'Anna',
        option2: 'Ben 🙂',
        answer: at % 2 ? '1' : '2',
      })),
      examples: numbered(6, (at) => ({
        sentence: `_ sat ${at} .`,
        option1: 'Cat',
        option2: 'Dog',
        answer: at % 2 ? '1' : '2',
      })),
      split: 'validation',
    },
    {
      task: 'openbookqa',
      yaml: 'openbookqa/openbookqa.yaml',
      shots,
      items: half(arc)[0].map(({ question, ...rest }) => ({ question_stem: question, ...rest })),
      examples: half(arc)[1].map(({ question, ...rest }) => ({ question_stem: question, ...rest })),
    },
    {
      task: 'commonsense_qa',
      yaml: 'commonsense_qa/default.yaml',
      shots,
      items: numbered(4, (at) => ({
        question: ` Question ${at} `,
        choices: { label: [...'ABCDE'], text: numbered(5, (n) => ({ n })).map((_, n) => `answer ${n * at}`) },
        answerKey: 'ABCDE'[at],
      })),
      examples: numbered(5, (at) => ({
        question: `Example ${at}`,
        choices: { label: [...'ABCDE'], text: ['a', 'b', 'c', 'd', `e${at}`] },
        answerKey: 'ABCDE'[at],
      })),
      split: 'validation',
    },
    {
      task: 'triviaqa',
      yaml: 'triviaqa/default.yaml',
      shots,
      items: numbered(4, (at) => ({
        question: `Who was number ${at}`,
        answer: { aliases: [`Person ${at}`, `Mr "P" ${at}`], value: `Person ${at}` },
      })),
      examples: numbered(6, (at) => ({
        question: `Who else ${at}`,
        answer: { aliases: [`O’Neill ${at}`, 'x'], value: 'x' },
      })),
      split: 'validation',
    },
    {
      task: 'nq_open',
      yaml: 'nq_open/nq_open.yaml',
      shots,
      items: numbered(4, (at) => ({ question: `when was ${at}`, answer: [`the ${at}`, 'a year'] })),
      examples: numbered(6, (at) => ({ question: `where is ${at}`, answer: [`Köln ${at}`] })),
      split: 'validation',
    },
    {
      task: 'coqa',
      yaml: 'coqa/default.yaml',
      shots,
      items: numbered(3, (at) => ({
        story: `Story ${at}.\nSecond line.`,
        questions: { input_text: ['Who?', 'Why?', `When ${at}?`] },
        answers: { input_text: ['Ann', 'Because.', `at ${at}`] },
        additional_answers: {
          0: { input_text: ['Anna', 'so', `At ${at}`] },
          1: { input_text: ['A', 'b', 'later'] },
        },
      })),
      examples: numbered(5, (at) => ({
        story: `Other story ${at}.`,
        questions: { input_text: ['Where?'] },
        answers: { input_text: [`here ${at}`] },
        additional_answers: { 0: { input_text: ['there'] }, 1: { input_text: ['anywhere'] } },
      })),
      split: 'validation',
    },
  ]),
  {
    task: 'webqs',
    yaml: 'webqs/webqs.yaml',
    shots: 0,
    items: numbered(3, (at) => ({
      question: `what is ${at}?`,
      answers: ['Zebra', 'Ape', 'Apes', 'Apex predator', `B${at}`],
    })),
  },
  {
    task: 'race_high',
    yaml: 'race/race.yaml',
    shots: 0,
    items: numbered(3, (at) => ({
      article: `Article ${at}.\nIt isn’t long.`,
      problems: `[{'question': "What's number ${at}?", 'answer': 'B', 'options': ['one', "it's two", 'three', 'f\\'our']}, {'question': 'He was  _  .', 'answer': 'C', 'options': ['a', 'b', 'ü\\n', 'd']}, {'question': 'Last one ${at}?', 'answer': 'D', 'options': ['w', 'x', 'y', 'z']}]`,
    })),
  },
  ...['truthfulqa_mc1', 'truthfulqa_mc2'].map(
    (task): Case => ({
      task,
      yaml: `truthfulqa/${task}.yaml`,
      shots: 0,
      items: numbered(3, (at) => ({
        question: `What happens at ${at}?`,
        mc1_targets: { choices: ['Nothing', 'Everything', 'It’s magic'], labels: [1, 0, 0] },
        mc2_targets: { choices: ['Nothing', 'Not much', 'Everything', `Magic ${at}`], labels: [1, 1, 0, 0] },
      })),
      split: 'validation',
    }),
  ),
  {
    task: 'storycloze',
    yaml: 'storycloze/storycloze_2018.yaml',
    shots: 2,
    items: numbered(5, (at) => ({
      story_id: `${at}`,
      input_sentence_1: `One ${at}.`,
      input_sentence_2: 'Two.',
      input_sentence_3: 'Three!',
      input_sentence_4: 'Vier.',
      sentence_quiz1: 'Good.',
      sentence_quiz2: `Bad ${at}.`,
      answer_right_ending: (at % 2) + 1,
    })),
    override: { fewshot_split: 'test' },
  },
  ...[0, 2].map(
    (shots): Case => ({
      task: 'wsc273',
      yaml: 'wsc273/default.yaml',
      shots,
      items: [
        [
          'The city councilmen refused the demonstrators a permit because they feared violence.',
          'they',
          63,
          ['The city councilmen', 'The demonstrators'],
          0,
        ],
        ['Bob paid for Charlie. He is grateful.', 'He', 22, ['Bob', 'Charlie'], 1],
        ['Jane knocked on the door, but Susan did not hear her knock.', 'her', 49, ['Jane', 'Susan'], 0],
        ['It fell, since  the box was 🙂 open.', 'It', 0, ['The box', 'A lid'], 0],
        ['My dog bit his  friend; it ran.', 'it', 24, ['My dog', 'His friend'], 0],
      ].map(([text, pronoun, pronoun_loc, options, label]) => ({
        text,
        pronoun,
        pronoun_loc,
        quote: '',
        quote_loc: 0,
        options,
        label,
      })),
      override: { fewshot_split: 'test' },
    }),
  ),
  ...[0, 2].map(
    (shots): Case => ({
      task: 'arithmetic_2da',
      yaml: 'arithmetic/arithmetic_2da.yaml',
      shots,
      items: numbered(5, (at) => ({
        context: `\nQ: What is ${at} plus 17?\n\nA:`,
        completion: ` ${at + 17}`,
      })),
      split: 'validation',
    }),
  ),
  {
    task: 'squadv2',
    yaml: 'squadv2/squadv2.yaml',
    shots: 0,
    items: numbered(3, (at) => ({
      id: `${at}`,
      title: 'Tea',
      context: `Tea is ${at} old.`,
      question: `How old is tea ${at}?`,
      answers: { text: at ? [`${at}`] : [], answer_start: at ? [7] : [] },
    })),
    examples: [
      { id: 'x', title: 'A', context: 'B', question: 'C', answers: { text: ['B'], answer_start: [0] } },
    ],
    split: 'validation',
  },
];
