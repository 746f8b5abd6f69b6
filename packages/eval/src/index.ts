export {
  checkHumanEval,
  HUMAN_EVAL_STOP,
  type HumanEvalProblem,
  humanEvalPassAtK,
  humanEvalProgram,
} from './code-execution/human-eval.js';
export { detectIsolation, type Isolation } from './code-execution/isolation.js';
export { runSandboxed, type SandboxOptions, type SandboxResult } from './code-execution/sandbox.js';
export { CodeExecutionDisabledError, InterpreterNotFoundError, InvalidMetricInputError } from './errors.js';
export { type BleuOptions, type BleuScore, bleu, sentenceBleu } from './metrics/bleu.js';
export {
  brierScore,
  type CalibrationBin,
  type CalibrationReport,
  calibration,
  expectedCalibrationError,
} from './metrics/calibration.js';
export { type ChrfOptions, chrf, sentenceChrf } from './metrics/chrf.js';
export { accuracy, f1Score, macroF1, matthewsCorrelation } from './metrics/classification.js';
export {
  type ChoiceNormalisation,
  choiceScore,
  pickChoice,
  type ScoredChoice,
} from './metrics/multiple-choice.js';
export { passAtK } from './metrics/pass-at-k.js';
export { type PerplexityReport, perplexity, type ScoredText } from './metrics/perplexity.js';
export { exactMatch, normalizeAnswer, tokenF1 } from './metrics/question-answering.js';
export { type RougeScore, rouge } from './metrics/rouge.js';
export {
  type BootstrapOptions,
  type BootstrapResult,
  bootstrap,
  mcNemar,
  pairedPermutation,
  standardError,
} from './metrics/statistics.js';
