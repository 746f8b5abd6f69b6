import { createHash } from 'node:crypto';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LanguageModel } from '@gpt-lineage/gpt-core';
import { readRecords } from './data/read-records.js';
import { TaskError } from './errors.js';
import { aggregate } from './kinds/aggregate.js';
import { kinds } from './kinds/kinds.js';
import type { ItemContext, ScoredItem } from './kinds/scored-item.js';
import type { Report, TaskResult } from './report.js';
import { headline } from './report.js';
import { ResultCache } from './requests/result-cache.js';
import { RequestRunner } from './requests/runner.js';
import { fewShotSampler } from './tasks/few-shot.js';
import { preamble } from './tasks/prompt.js';
import { resolveTasks } from './tasks/registry.js';
import type { Doc, TaskDefinition } from './tasks/task.js';

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
  /** File that keeps every answer of the model: an interrupted run goes on, a repeated one needs no model. */
  readonly cache?: string;
  /** Tokens per batch of requests, default 16,384. */
  readonly batchTokens?: number;
  /** Keep prompts, answers and scores of every item in the report. Default `false`. */
  readonly logSamples?: boolean;
  /** Let code tasks run what the model writes; read `runSandboxed` first. Default `false`. */
  readonly allowCodeExecution?: boolean;
  /** Resamples for statistics without a formula (perplexities, BLEU), default 200. */
  readonly bootstrapResamples?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { task: string; done: number; total: number }) => void;
}

/** The folder of small real samples inside the package. */
export const bundledData = (): string => join(packageFolder(), 'data');

function packageFolder(): string {
  // `src/evaluate.ts` or a bundle in `dist/`: one level below the package in both cases.
  const here = typeof __dirname === 'string' ? __dirname : dirname(fileURLToPath(import.meta.url));
  return resolve(here, '..');
}

/**
 * Scores a language model on tasks. Numbers agree with lm-evaluation-harness for the tasks that exist there: same
 * prompts, few-shot draws, tokenisation of context and continuation, normalisations and standard errors.
 *
 * @throws {TaskError} unknown task, data that does not fit the task, more shots than examples
 * @throws {TaskDataError} a data file is missing or damaged
 * @throws {CodeExecutionDisabledError} a code task without `allowCodeExecution`
 */
export async function evaluate(model: LanguageModel, options: EvaluateOptions): Promise<Report> {
  const definitions = resolveTasks(options.tasks);
  const cache = await ResultCache.open(options.cache);
  const results: TaskResult[] = [];
  for (const task of definitions) results.push(await evaluateTask(model, task, cache, options));
  return {
    format: 'gpt-lineage.eval/1',
    model: model.name,
    tokenizer: model.fingerprint,
    tasks: results,
    groups: groupMeans(definitions, results),
  };
}

async function evaluateTask(
  model: LanguageModel,
  task: TaskDefinition,
  cache: ResultCache,
  options: EvaluateOptions,
): Promise<TaskResult> {
  const { seed = 1234, limit, logSamples = false } = options;
  const shots = options.shots ?? task.shots ?? 0;
  const { items, contexts } = await buildItems(task, shots, seed, limit, options.dataFolder);
  const runner = new RequestRunner(model, {
    cache,
    ...(options.batchTokens === undefined ? {} : { batchTokens: options.batchTokens }),
    ...(options.signal ? { signal: options.signal } : {}),
    onProgress: (done, total) => options.onProgress?.({ task: task.name, done, total }),
  });
  const scored: ScoredItem[] = await kinds[task.kind](task as never, contexts, {
    model,
    runner,
    seed,
    allowCodeExecution: options.allowCodeExecution ?? false,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  return {
    task: task.name,
    version: task.version,
    shots,
    items: items.length,
    seed,
    metrics: aggregate(scored, { resamples: options.bootstrapResamples ?? 200, seed }),
    truncated: scored.filter((item) => item.truncated).length,
    samples: scored.map((item, index) => ({
      index,
      promptHash: createHash('sha256').update(item.prompt).digest('hex').slice(0, 16),
      metrics: Object.fromEntries(
        Object.entries(item.metrics).map(([name, metric]) => [name, metric.perItem]),
      ),
      ...(logSamples ? { prompt: item.prompt, target: item.target, outputs: item.outputs } : {}),
    })),
  };
}

async function buildItems(
  task: TaskDefinition,
  shots: number,
  seed: number,
  limit: number | undefined,
  dataFolder = bundledData(),
): Promise<{ items: Doc[]; contexts: ItemContext[] }> {
  const split = task.data.split ?? 'test';
  const exampleSplit = task.fewShot?.split ?? split;
  const load = async (name: string): Promise<Doc[]> => {
    const file = task.data.files[name];
    if (file === undefined) {
      throw new TaskError(
        task.name,
        `has no file for the split ${name}; its data.files names ${Object.keys(task.data.files)}`,
      );
    }
    const path = /^https?:/u.test(file) || isAbsolute(file) ? file : join(dataFolder, file);
    const docs = await readRecords(path, task.data.columns);
    const { prepare } = task.data;
    return prepare ? docs.map(prepare).filter((doc): doc is Doc => doc !== undefined) : docs;
  };
  const all = await load(split);
  if (all.length === 0) throw new TaskError(task.name, `its split ${split} is empty`);
  const pool = shots === 0 ? [] : exampleSplit === split ? all : await load(exampleSplit);
  const sampler = fewShotSampler(task, pool, shots, { sharesSplit: exampleSplit === split, seed });
  const items = limit === undefined ? all : all.slice(0, limit);
  return { items, contexts: items.map((doc) => ({ doc, preamble: preamble(task, sampler.examples(doc)) })) };
}

function groupMeans(
  definitions: readonly TaskDefinition[],
  results: readonly TaskResult[],
): Report['groups'] {
  const groups: Record<string, { metric: string; macro: number; micro: number; tasks: number }> = {};
  for (const name of new Set(definitions.flatMap((task) => task.groups ?? []))) {
    const members = results.filter((_, index) => definitions[index]!.groups?.includes(name));
    const [metric] = headline(members[0]!);
    const comparable = members.filter((member) => headline(member)[0] === metric);
    if (comparable.length < 2) continue;
    const values = comparable.map((member) => ({ value: headline(member)[1].value, items: member.items }));
    const items = values.reduce((sum, entry) => sum + entry.items, 0);
    groups[name] = {
      metric,
      macro: values.reduce((sum, entry) => sum + entry.value, 0) / values.length,
      micro: values.reduce((sum, entry) => sum + entry.value * entry.items, 0) / items,
      tasks: comparable.length,
    };
  }
  return groups;
}
