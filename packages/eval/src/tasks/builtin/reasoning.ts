import { lastBoxed } from '../math-answer.js';
import type { GenerationTask } from '../task.js';

/** MATH (Hendrycks et al. 2021): competition problems, compared by their boxed answers in one spelling. */
const math: GenerationTask = {
  kind: 'generation',
  name: 'math',
  version: 1,
  title: 'MATH: competition problems, final answers compared',
  data: { files: { test: 'math/test.jsonl', train: 'math/train.jsonl' } },
  prompt: 'Problem:\n{{ problem }}\n\nSolution:',
  target: (doc) => {
    const solution = String(doc.solution);
    return `\\boxed{${lastBoxed(solution) ?? doc.answer}}`;
  },
  fewShot: { split: 'train', target: '{{ solution }}' },
  shots: 4,
  stop: ['Problem:'],
  maxTokens: 512,
  normalise: [{ kind: 'math' }],
  metrics: ['exact_match'],
  category: (doc) => String(doc.type ?? 'all'),
};

const SUBSETS =
  'boolean_expressions causal_judgement date_understanding disambiguation_qa dyck_languages formal_fallacies geometric_shapes hyperbaton logical_deduction_five_objects logical_deduction_seven_objects logical_deduction_three_objects movie_recommendation multistep_arithmetic_two navigate object_counting penguins_in_a_table reasoning_about_colored_objects ruin_names salient_translation_error_detection snarks sports_understanding temporal_sequences tracking_shuffled_objects_five_objects tracking_shuffled_objects_seven_objects tracking_shuffled_objects_three_objects web_of_lies word_sorting';

/**
 * BIG-bench hard (Suzgun et al. 2023), answers only: examples from the same set. The chain of thought of the paper needs
 * its own example texts; give them as the `description` of a task of yours.
 */
const bbh = SUBSETS.split(' ').map(
  (name): GenerationTask => ({
    kind: 'generation',
    name: `bbh_${name}`,
    version: 1,
    title: `BIG-bench hard: ${name.replaceAll('_', ' ')}`,
    groups: ['bbh'],
    data: { files: { test: `bbh/${name}.json` } },
    prompt: 'Q: {{ input }}\nA:',
    target: '{{ target }}',
    shots: 3,
    stop: ['\n\n', 'Q:'],
    maxTokens: 64,
    filters: { none: [{ kind: 'first-line' }, { kind: 'trim' }] },
    normalise: [{ kind: 'remove', patterns: ['\\.$'] }, { kind: 'trim' }, { kind: 'lowercase' }],
    metrics: ['exact_match'],
  }),
);

export const reasoning = [math, ...bbh];
