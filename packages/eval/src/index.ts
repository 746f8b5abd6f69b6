export {
  checkHumanEval,
  HUMAN_EVAL_STOP,
  type HumanEvalProblem,
  humanEvalPassAtK,
  humanEvalProgram,
} from './code-execution/human-eval.js';
export { detectIsolation, type Isolation } from './code-execution/isolation.js';
export { runSandboxed, type SandboxOptions, type SandboxResult } from './code-execution/sandbox.js';
export {
  type ContaminationOptions,
  checkContamination,
  contaminationFromCorpus,
} from './contamination/check-contamination.js';
export { type ContaminationReport, parseContaminationReport } from './contamination/contamination-report.js';
export { bundledData } from './data/bundled-data.js';
export {
  CodeExecutionDisabledError,
  InterpreterNotFoundError,
  InvalidMetricInputError,
  TaskDataError,
  TaskError,
  UsageError,
} from './errors.js';
export { type EvaluateOptions, evaluate, type Progress } from './evaluate.js';
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
export { type EvaluateVisionOptions, evaluateVision } from './multimodal/evaluate-vision.js';
export type { Image, ImageTextModel } from './multimodal/image-text-model.js';
export type {
  MultimodalModel,
  VisualQuestion,
  VisualQuestionOptions,
} from './multimodal/question-answering.js';
export { scoreVisualQuestions } from './multimodal/question-answering.js';
export { type RetrievalInput, scoreRetrieval } from './multimodal/retrieval.js';
export { scoreZeroShot, type ZeroShotInput } from './multimodal/zero-shot.js';
export {
  type CleanSubset,
  type MetricValue,
  parseReport,
  type Report,
  type ReportOptions,
  type Sample,
  type TaskCalibration,
  type TaskResult,
} from './report.js';
export { type Comparison, compareReports } from './reports/compare.js';
export { reportHtml } from './reports/html.js';
export { reportMarkdown } from './reports/markdown.js';
export { reportTable } from './reports/table.js';
export type { BatchAnswer, BatchExecutor, RequestBatch } from './requests/executor.js';
export { answerBatch } from './requests/executor.js';
export { type ConsistencyReport, checkConsistency, type SentenceFinding } from './safety/consistency.js';
export { classifyResponse, declines, type ResponseClass, responseClasses } from './safety/refusal.js';
export {
  BatchFailedError,
  type RedisOptions,
  type RedisWorker,
  type RedisWorkerOptions,
  redisBatchExecutor,
  type ServedModel,
  startRedisWorker,
} from './scale-out/redis.js';
export { loadTaskFile } from './tasks/files/load-task-file.js';
export { listTasks, registerTask } from './tasks/registry.js';
export type {
  AnswerFilter,
  CodeTask,
  Doc,
  FewShot,
  Field,
  GenerationMetric,
  GenerationTask,
  LogLikelihoodTask,
  MultipleChoiceTask,
  RollingTask,
  Rubric,
  TaskData,
  TaskDefinition,
} from './tasks/task.js';
