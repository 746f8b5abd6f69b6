import type { TaskDefinition } from '../task.js';
import { arithmetic, scramble } from './arithmetic.js';
import { code } from './code.js';
import { generation } from './generation.js';
import { hellaswag } from './hellaswag.js';
import { lambada } from './lambada.js';
import { mmlu } from './mmlu.js';
import { perplexityTasks } from './perplexity.js';
import { questionChoice } from './question-choice.js';
import { reading } from './reading.js';
import { reasoning } from './reasoning.js';
import { safety } from './safety.js';
import { superglue } from './superglue.js';
import { wsc273 } from './winograd.js';

export const builtinTasks: readonly TaskDefinition[] = [
  ...lambada,
  hellaswag,
  ...questionChoice,
  ...mmlu,
  ...arithmetic,
  ...scramble,
  ...generation,
  ...reading,
  ...reasoning,
  ...superglue,
  wsc273,
  ...code,
  ...safety,
  ...perplexityTasks,
];
