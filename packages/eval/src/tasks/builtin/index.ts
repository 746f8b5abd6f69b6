import type { TaskDefinition } from '../task.js';
import { arithmetic, scramble } from './arithmetic.js';
import { generation } from './generation.js';
import { hellaswag } from './hellaswag.js';
import { lambada } from './lambada.js';
import { mmlu } from './mmlu.js';
import { perplexityTasks } from './perplexity.js';
import { questionChoice } from './question-choice.js';

export const builtinTasks: readonly TaskDefinition[] = [
  ...lambada,
  hellaswag,
  ...questionChoice,
  ...mmlu,
  ...arithmetic,
  ...scramble,
  ...generation,
  ...perplexityTasks,
];
