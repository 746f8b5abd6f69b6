import { type GPT, type LanguageModel, localLanguageModel } from '@gpt-lineage/gpt-core';
import type { ContaminationReport } from './contamination/contamination-report.js';
import { bundledData } from './data/bundled-data.js';
import { kinds } from './kinds/kinds.js';
import type { SandboxSettings, ScoredItem } from './kinds/scored-item.js';
import { packageVersion } from './package-folder.js';
import type { Report, TaskResult } from './report.js';
import { groupMeans } from './report-groups.js';
import type { BatchExecutor } from './requests/executor.js';
import { ResultCache } from './requests/result-cache.js';
import { RequestRunner, type RunnerOptions } from './requests/runner.js';
import { taskResult } from './task-result.js';
import { buildItems } from './tasks/build-items.js';
import { resolveTasks } from './tasks/registry.js';
import type { TaskDefinition } from './tasks/task.js';

export interface EvaluateOptions {
  /** Names of tasks or groups (`mmlu`, `arithmetic*`), or definitions. */
  readonly tasks: readonly (string | TaskDefinition)[];
  /** Few-shot examples per item. Default: what each task says, 0 if nothing. */
  readonly shots?: number;
  /** Only the first items of each task. */
  readonly limit?: number;
  /** Of the few-shot draws, default 1234, as lm-evaluation-harness; sampling and bootstrap use it too. */
  readonly seed?: number;
  /** Folder with the data files. Default: the samples that come with the package. */
  readonly dataFolder?: string;
  /**
   * File that keeps every answer of the model: an interrupted run goes on, a repeated one needs no model. Answers are
   * told apart by the model's name, its tokenizer and `modelIdentity`.
   */
  readonly cache?: string;
  /** What tells apart models of the same name, such as a hash of the weights. */
  readonly modelIdentity?: string;
  /** Trainable scalars, for the report's plots. */
  readonly parameters?: number;
  /** Tokens per batch of requests, default 16,384; common beginnings count once. */
  readonly batchTokens?: number;
  /** Who answers batches. Default: the model in this process; see `redisBatchExecutor`. */
  readonly executor?: BatchExecutor;
  /** Keep prompts, answers and scores of every item in the report. Default `false`. */
  readonly logSamples?: boolean;
  /** Let code tasks run what the model writes; read `runSandboxed` first. Default `false`. */
  readonly allowCodeExecution?: boolean;
  /** Limits of those programs. */
  readonly sandbox?: SandboxSettings;
  /** A model that grades answers of tasks with a rubric (red-team prompts, consistency with a source). */
  readonly judge?: LanguageModel;
  /** Which items the training data had seen; the report then also has the metrics of the others alone. */
  readonly contamination?: ContaminationReport;
  /** Resamples for statistics without a formula (perplexities, BLEU), default 200. */
  readonly bootstrapResamples?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Where a run is. */
export interface Progress {
  readonly task: string;
  /** Of `tasks`, from 0. */
  readonly taskIndex: number;
  readonly tasks: number;
  /** Requests of this task. */
  readonly done: number;
  readonly total: number;
}

/**
 * Scores a language model on tasks. Numbers agree with lm-evaluation-harness for the tasks that exist there: same
 * prompts, few-shot draws, tokenisation of context and continuation, normalisations and standard errors.
 *
 * @param subject a `GPT` with a tokenizer, or anything that is a `LanguageModel`
 * @throws {TaskError} unknown task, data that does not fit the task, more shots than examples
 * @throws {TaskDataError} a data file is missing or damaged
 * @throws {CodeExecutionDisabledError} a code task without `allowCodeExecution`
 */
export async function evaluate(subject: LanguageModel | GPT, options: EvaluateOptions): Promise<Report> {
  const model = 'complete' in subject ? subject : localLanguageModel(subject);
  const definitions = resolveTasks(options.tasks);
  const { seed = 1234, bootstrapResamples = 200 } = options;
  const cache = await ResultCache.open(options.cache);
  const results: TaskResult[] = [];
  for (const [taskIndex, task] of definitions.entries()) {
    const progress = (done: number, total: number) =>
      options.onProgress?.({ task: task.name, taskIndex, tasks: definitions.length, done, total });
    results.push(await evaluateTask(model, task, cache, { ...options, seed, bootstrapResamples }, progress));
  }
  return {
    format: 'gpt-lineage.eval/1',
    model: model.name,
    tokenizer: model.fingerprint,
    ...(options.modelIdentity === undefined ? {} : { modelIdentity: options.modelIdentity }),
    ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
    versions: { '@gpt-lineage/eval': packageVersion(), node: process.versions.node },
    options: {
      tasks: definitions.map(({ name }) => name),
      ...(options.shots === undefined ? {} : { shots: options.shots }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      seed,
      bootstrapResamples,
    },
    tasks: results,
    groups: groupMeans(definitions, results),
  };
}

type Resolved = EvaluateOptions & { readonly seed: number; readonly bootstrapResamples: number };

async function evaluateTask(
  model: LanguageModel,
  task: TaskDefinition,
  cache: ResultCache,
  options: Resolved,
  onProgress: (done: number, total: number) => void,
): Promise<TaskResult> {
  const { seed, limit, signal } = options;
  const shots = options.shots ?? task.shots ?? 0;
  const { contexts, exampleSplit } = await buildItems(task, {
    shots,
    seed,
    limit,
    dataFolder: options.dataFolder ?? bundledData(),
  });
  const common: RunnerOptions = { cache, batchTokens: options.batchTokens, signal };
  const runner = new RequestRunner(model, {
    ...common,
    modelIdentity: options.modelIdentity,
    executor: options.executor,
    onProgress,
  });
  const { judge } = options;
  const scored: ScoredItem[] = await kinds[task.kind](task as never, contexts, {
    model,
    runner,
    seed,
    allowCodeExecution: options.allowCodeExecution ?? false,
    sandbox: options.sandbox,
    judge: judge && { model: judge, runner: new RequestRunner(judge, common) },
    ...(signal ? { signal } : {}),
  });
  return taskResult(task, contexts, scored, { ...options, shots, exampleSplit });
}
