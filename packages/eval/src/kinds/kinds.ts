import { scoreCode } from './code.js';
import { scoreGeneration } from './generation.js';
import { scoreLogLikelihood } from './log-likelihood.js';
import { scoreMultipleChoice } from './multiple-choice.js';
import { scoreRolling } from './rolling.js';

/** Every kind of task, by its name. */
export const kinds = {
  'multiple-choice': scoreMultipleChoice,
  'log-likelihood': scoreLogLikelihood,
  rolling: scoreRolling,
  generation: scoreGeneration,
  code: scoreCode,
};
