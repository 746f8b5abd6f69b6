import { mkdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type FolderLock, lockFolder, writeFileAtomic } from '@gpt-lineage/gpt-core/node';
import type { Command } from 'commander';
import { contaminationFromCorpus } from '../contamination/check-contamination.js';
import { type ContaminationReport, parseContaminationReport } from '../contamination/contamination-report.js';
import { evaluate } from '../evaluate.js';
import type { Report } from '../report.js';
import { reportHtml } from '../reports/html.js';
import { reportMarkdown } from '../reports/markdown.js';
import { reportTable } from '../reports/table.js';
import type { BatchExecutor } from '../requests/executor.js';
import { redisBatchExecutor } from '../scale-out/redis.js';
import { loadTaskFile } from '../tasks/files/load-task-file.js';
import { resolveTasks } from '../tasks/registry.js';
import type { TaskDefinition } from '../tasks/task.js';
import { list, wholeNumber } from './flags.js';
import { type LoadedModel, loadModel, type ModelFlags, modelFlags } from './load-model.js';
import { createProgressView } from './progress.js';

interface Flags extends ModelFlags {
  tasks: string[];
  taskFile?: string[];
  shots?: number;
  limit?: number;
  seed?: number;
  data?: string;
  json?: true | string;
  output?: string;
  cache: boolean | string;
  batchTokens?: number;
  samples?: boolean;
  allowCodeExecution?: boolean;
  container?: string;
  judge?: string;
  contamination?: string;
  bootstrap?: number;
  redis?: string;
  queue?: string;
  progress: 'text' | 'jsonl';
  quiet?: boolean;
}

/** `gpt-eval run`: scores a model on tasks. */
export function registerRun(program: Command, signal: AbortSignal): void {
  modelFlags(program.command('run').description('Score a model on tasks.'))
    .option('-t, --tasks <names...>', 'tasks, groups or patterns (mmlu_*), comma-separated', list, [])
    .option('--task-file <files...>', 'YAML or JSON files with tasks of your own, all of which are run', list)
    .option('-n, --shots <n>', 'few-shot examples (default: what the task says)', wholeNumber(0))
    .option('-l, --limit <n>', 'first items of each task only', wholeNumber(1))
    .option('--seed <n>', 'of few-shot draws, sampling and bootstrap (default: 1234)', wholeNumber(0))
    .option('--data <folder>', 'data files in the layout of the bundled samples')
    .option('--json [file]', 'the report as JSON, to standard output or a file')
    .option(
      '-o, --output <folder>',
      'writes report.json, report.md and report.html, and keeps the cache there',
    )
    .option('--cache <file>', 'where answers of the model are kept')
    .option('--no-cache', 'keeps nothing: an interrupted run begins anew')
    .option('--batch-tokens <n>', 'tokens of a batch (default: 16384)', wholeNumber(1))
    .option('--samples', 'every prompt and answer in the report')
    .option('--allow-code-execution', 'code tasks run what the model wrote, in the sandbox')
    .option('--container <image>', 'runs that code in containers of this image (docker or podman)')
    .option('--judge <DIR|openai:URL>', 'model that grades answers of tasks with a rubric')
    .option(
      '--contamination <path>',
      'report of gpt-eval contamination, or output folder of gpt-corpus build',
    )
    .option('--bootstrap <n>', 'resamples for errors without a formula (default: 200)', wholeNumber(2))
    .option('--redis <url>', 'sends the work to gpt-eval worker processes')
    .option('--queue <name>', 'name of their queue')
    .option('--progress <kind>', 'text or jsonl, on standard error', 'text')
    .option('-q, --quiet', 'no progress')
    .action((flags: Flags) => run(flags, signal));
}

async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  const own = await Promise.all((flags.taskFile ?? []).map(loadTaskFile));
  const tasks: (string | TaskDefinition)[] = [...flags.tasks, ...own.flat()];
  resolveTasks(tasks); // names a wrong task before a large model is read
  const contamination = await readContamination(flags, tasks);
  let lock: FolderLock | undefined;
  if (flags.output !== undefined) {
    await mkdir(flags.output, { recursive: true });
    lock = lockFolder(flags.output);
  }
  const loaded = await loadModel(flags);
  let judge: LoadedModel | undefined;
  let executor: BatchExecutor | undefined;
  const view = flags.quiet ? undefined : createProgressView({ jsonl: flags.progress === 'jsonl' });
  try {
    if (flags.judge !== undefined) judge = await loadModel({ ...flags, model: flags.judge });
    if (flags.redis !== undefined) {
      const { name, fingerprint } = loaded.model;
      executor = await redisBatchExecutor({
        url: flags.redis,
        ...(flags.queue === undefined ? {} : { queue: flags.queue }),
        model: { name, fingerprint, identity: loaded.identity },
      });
    }
    const cache = cacheFile(flags, loaded);
    const optional = {
      ...given('shots', flags.shots),
      ...given('limit', flags.limit),
      ...given('seed', flags.seed),
      ...given('dataFolder', flags.data),
      ...given('cache', cache),
      ...given('modelIdentity', loaded.identity),
      ...given('parameters', loaded.parameters),
      ...given('batchTokens', flags.batchTokens),
      ...given('logSamples', flags.samples),
      ...given('allowCodeExecution', flags.allowCodeExecution),
      ...given('judge', judge?.model),
      ...given('contamination', contamination),
      ...given('bootstrapResamples', flags.bootstrap),
      ...given('executor', executor),
      ...given('onProgress', view?.show),
      ...(flags.container === undefined ? {} : { sandbox: { container: flags.container } }),
    };
    const report = await evaluate(loaded.model, { tasks, signal, ...optional });
    view?.close();
    await publish(report, flags);
  } finally {
    view?.close();
    await executor?.close?.();
    judge?.dispose();
    loaded.dispose();
    lock?.release();
  }
}

const given = <Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } =>
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };

async function publish(report: Report, { json, output }: Flags): Promise<void> {
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (output !== undefined) {
    await writeFileAtomic(join(output, 'report.json'), text);
    await writeFileAtomic(join(output, 'report.md'), reportMarkdown(report));
    await writeFileAtomic(join(output, 'report.html'), reportHtml(report));
  }
  if (typeof json === 'string') await writeFileAtomic(json, text);
  process.stdout.write(json === true ? text : `${reportTable(report)}\n`);
}

/**
 * Where answers are kept unless the command line says otherwise: with the output, or for a local model (whose hash is
 * part of every key) in the user's cache folder. What an endpoint serves may change, so its answers are kept on request.
 */
function cacheFile({ cache, output, redis: _ }: Flags, { identity }: LoadedModel): string | undefined {
  if (typeof cache === 'string') return cache;
  if (cache === false) return undefined;
  if (output !== undefined) return join(output, 'cache.jsonl');
  if (identity === undefined) return undefined;
  const { GPT_LINEAGE_CACHE, XDG_CACHE_HOME } = process.env;
  const root = GPT_LINEAGE_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'gpt-lineage');
  return join(root, 'eval', `${identity}.jsonl`);
}

async function readContamination(
  { contamination: path, data }: Flags,
  tasks: readonly (string | TaskDefinition)[],
): Promise<ContaminationReport | undefined> {
  if (path === undefined) return undefined;
  const isFolder = (await stat(path)).isDirectory();
  if (isFolder || path.endsWith('manifest.json'))
    return contaminationFromCorpus(path, { tasks, ...given('dataFolder', data) });
  return parseContaminationReport(await readFile(path, 'utf8'), path);
}
