import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { lockFolder } from '@gpt-lineage/tokenizer-bpe/folders';
import { writeFileAtomic } from '../atomic-file.js';
import { splitEvaluationSets } from '../decontaminate/evaluation-split.js';
import { ConfigError } from '../errors.js';
import { sleepUnlessAborted } from './abort.js';
import { type ResolvedConfig, resolveConfig } from './config.js';
import { type Executor, inlineExecutor, requirePlainConfig, threadExecutor } from './executor.js';
import { type Group, groupKey, planGroups } from './groups.js';
import { loadTokenizer } from './load-tokenizer.js';
import { assembleManifest, type Manifest } from './manifest.js';
import type { CleanResult } from './stages/clean.js';
import { gramCounts, loadEvaluationSets } from './stages/decontamination.js';
import type { ResolveResult } from './stages/duplicates.js';
import { numberDocuments } from './stages/features-file.js';
import { fuzzyOf, type IngestResult, partOptionsOf } from './stages/ingest.js';
import { type PlanResult, splitNames, type writeShard } from './stages/shards.js';
import type { TokeniseResult } from './stages/tokenise.js';
import { hashJson, readReceipt, type StageName, type Task, type TaskContext } from './task.js';

export interface BuildOptions {
  /** Worker threads. Default 1: this thread. The output does not depend on it. */
  workers?: number;
  /** Runs tasks elsewhere, as a Redis queue does. Default: `workers`. */
  executor?: Executor;
  /** Where relative paths start. Default: the working directory. */
  baseDirectory?: string;
  signal?: AbortSignal;
}

/** What happens during a run. */
export type PipelineEvent =
  | { type: 'stage'; stage: StageName; tasks: number /** Already done in an earlier run. */; done: number }
  | { type: 'task'; stage: StageName; key: string; done: number; tasks: number }
  | { type: 'done'; manifest: Manifest };

/** Work is divided by hash into so many partitions. Part of the algorithm: the number of workers is not. */
const partitions = 4;
const bandsPerTask = 3;
/** Raise when a stage writes other bytes for the same input. */
const algorithmVersion = 1;

/** Runs all stages that are not done yet and writes the manifest. @throws {FolderInUseError} another process builds there */
export async function build(
  userConfig: unknown,
  options: BuildOptions,
  emit: (event: PipelineEvent) => void,
): Promise<Manifest> {
  const config = resolveConfig(userConfig);
  const baseDirectory = resolve(options.baseDirectory ?? '.');
  const outputDirectory = resolve(baseDirectory, config.output);
  const context: TaskContext = {
    config,
    baseDirectory,
    outputDirectory,
    workDirectory: join(outputDirectory, 'work'),
    signal: options.signal,
  };
  mkdirSync(context.workDirectory, { recursive: true });
  const { workers = 1 } = options;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new ConfigError('workers', `must be a positive integer, received ${workers}`);
  }
  if (options.executor || workers > 1) requirePlainConfig(config, options.executor ? 'executor' : 'workers');
  const lock = lockFolder(outputDirectory);
  const executor = options.executor ?? (workers > 1 ? threadExecutor(workers) : inlineExecutor());
  try {
    const manifest = await new Build(context, executor, emit).run();
    emit({ type: 'done', manifest });
    return manifest;
  } finally {
    lock.release();
    if (!options.executor) await executor.close();
  }
}

class Build {
  private readonly context: TaskContext;
  private readonly config: ResolvedConfig;
  private readonly executor: Executor;
  private readonly emit: (event: PipelineEvent) => void;

  constructor(context: TaskContext, executor: Executor, emit: (event: PipelineEvent) => void) {
    this.context = context;
    this.config = context.config;
    this.executor = executor;
    this.emit = emit;
  }

  async run(): Promise<Manifest> {
    const { context, config } = this;
    // Mistakes in the tokenizer or the evaluation sets should not wait until everything else is done.
    const { tokenizer, endOfText } = await loadTokenizer(config, context.baseDirectory);
    if (config.decontaminate) await loadEvaluationSets(context);
    const groups = await planGroups(config, context.baseDirectory);

    const classifierFingerprint = await this.trainClassifier();
    const ingest = await this.ingest(groups, classifierFingerprint);
    const numbering = numberDocuments(ingest.results.map(({ documents }) => documents));
    const duplicateInput = {
      numbering,
      groups: groups.map(({ source }) => config.deduplicate !== false && config.sources[source]!.deduplicate),
    };
    const resolution = await this.deduplicate(groups, duplicateInput, ingest.fingerprint);
    const scan = await this.scan(groups, resolution.fingerprint);
    const clean = await this.perGroup<CleanResult>(
      'clean',
      groups,
      [scan, config.decontaminate ?? null, partOptionsOf(config)],
      (group) => ({ groups: groups.length, partitions, deduplicated: duplicateInput.groups[group.index]! }),
    );
    const tokenise = await this.perGroup<TokeniseResult>('tokenise', groups, [
      clean.fingerprint,
      tokenizer.fingerprint,
      tokenizer.vocabSize,
      endOfText,
      config.shards.validation,
      config.seed,
    ]);
    const plan = await this.single<PlanResult>('plan', { groups: groups.map(({ source }) => ({ source })) }, [
      tokenise.fingerprint,
      config.mix,
      config.shards,
      config.seed,
      config.sources.map(({ name, weight, maxEpochs }) => [name, weight ?? null, maxEpochs ?? null]),
    ]);
    const shards = await this.writeShards(plan.result, plan.fingerprint);

    const manifest = assembleManifest({
      config,
      baseDirectory: context.baseDirectory,
      groups,
      ingest: ingest.results,
      resolution: resolution.result,
      clean: clean.results,
      tokenise: tokenise.results,
      plan: plan.result,
      shards,
      tokenizer,
      endOfText,
      evaluation: config.decontaminate ? await this.splitEvaluation(groups.length) : null,
    });
    writeFileAtomic(join(context.outputDirectory, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    this.removeStaleFiles(manifest);
    return manifest;
  }

  private async trainClassifier(): Promise<string> {
    const { classifier, seed } = this.config;
    if (!classifier) return '';
    if (classifier.model !== undefined) {
      return hashJson(readFileSync(resolve(this.context.baseDirectory, classifier.model)).toString('base64'));
    }
    return (await this.single('classifier', {}, [classifier, seed])).fingerprint;
  }

  private async ingest(groups: readonly Group[], classifierFingerprint: string) {
    const { config, context } = this;
    const { wordList } = config;
    const words = wordList?.file ? readFileSync(resolve(context.baseDirectory, wordList.file), 'utf8') : '';
    const shared = [
      config.seed,
      config.normalise,
      config.quality,
      config.languages ?? null,
      config.identifyLanguages,
      config.classifier ? [config.classifier.alpha, classifierFingerprint] : null,
      config.pii,
      wordList ? [wordList, words] : null,
      fuzzyOf(config),
      partOptionsOf(config),
      config.errors,
      config.maxRecordBytes ?? null,
    ];
    const decides = groups.map((group) => {
      const {
        weight: _,
        maxEpochs: __,
        deduplicate: ___,
        files: ____,
        ...source
      } = config.sources[group.source]!;
      return [shared, source, group.files.map(({ name, format }) => [name, format])];
    });
    const tasks = groups.map((group, i): Task => {
      const stamps = group.files.map(({ stamp }) => stamp);
      return this.task('ingest', groupKey(group.index), group, [decides[i], stamps]);
    });
    const { results } = await this.stage<IngestResult>(tasks);
    // What was read decides, not the time of a file: a touched file with the same bytes changes nothing downstream.
    const content = results.map(({ files }) =>
      files.map(({ sha256, status, bytes }) => [sha256, status, bytes]),
    );
    return { results, fingerprint: hashJson([decides, content]) };
  }

  private async deduplicate(
    groups: readonly Group[],
    input: { numbering: ReturnType<typeof numberDocuments>; groups: boolean[] },
    ingestFingerprint: string,
  ) {
    const { config } = this;
    const keep = config.deduplicate === false ? null : config.deduplicate.keep;
    const base = [ingestFingerprint, input, keep];
    const active = config.deduplicate !== false;
    const exact = await this.stage(
      range(active ? partitions : 0).map((partition) =>
        this.task('exact', groupKey(partition), { ...input, partition, partitions }, base),
      ),
    );
    const fuzzy = fuzzyOf(config);
    const bands = fuzzy?.banding.bands ?? 0;
    const fuzzyTasks = Math.ceil(bands / bandsPerTask);
    const near = await this.stage(
      range(fuzzyTasks).map((key) => {
        const firstBand = key * bandsPerTask;
        const endBand = Math.min(bands, firstBand + bandsPerTask);
        const exactPartitions = partitions;
        return this.task('fuzzy', groupKey(key), { ...input, key, firstBand, endBand, exactPartitions }, [
          exact.fingerprint,
          base,
          fuzzy,
        ]);
      }),
    );
    const resolution = await this.single<ResolveResult>(
      'resolve',
      {
        ...input,
        groupList: groups.map(({ source }) => ({ source })),
        exactPartitions: active ? partitions : 0,
        fuzzyTasks,
      },
      [near.fingerprint, exact.fingerprint, base, config.errors.duplicateIds],
    );
    if (!partOptionsOf(config)) return resolution;
    const parts = await this.stage(
      range(partitions).map((partition) =>
        this.task('parts', groupKey(partition), { ...input, partition, partitions }, [
          resolution.fingerprint,
        ]),
      ),
    );
    return { result: resolution.result, fingerprint: parts.fingerprint };
  }

  private async scan(groups: readonly Group[], fingerprint: string): Promise<string> {
    const { decontaminate } = this.config;
    if (!decontaminate) return fingerprint;
    const { records } = await loadEvaluationSets(this.context);
    const content = hashJson(records);
    const { fingerprint: scanned } = await this.perGroup('scan', groups, [
      fingerprint,
      decontaminate,
      content,
    ]);
    return scanned;
  }

  private async writeShards(plan: PlanResult, fingerprint: string) {
    const tasks = splitNames.flatMap((split) =>
      range(plan.shards[split]).map((shard) =>
        this.task('shard', `${split}-${String(shard).padStart(5, '0')}`, { split, shard }, [fingerprint]),
      ),
    );
    // A receipt without its shard (somebody removed it) does not count.
    const { results } = await this.stage<Awaited<ReturnType<typeof writeShard>>>(tasks, ({ file }) =>
      readdirSync(this.context.outputDirectory).includes(file),
    );
    return results;
  }

  /** Clean and dirty examples per evaluation set, as report and as files. */
  private async splitEvaluation(groups: number) {
    const { context, config } = this;
    const { index, records } = await loadEvaluationSets(context);
    const counts = await gramCounts(context, groups, index.gramCount);
    const { maxDocuments } = config.decontaminate!;
    const splits = splitEvaluationSets(index, (gram) => counts[gram]! > 0 && counts[gram]! <= maxDocuments);
    for (const [set, split] of splits.entries()) {
      for (const kind of ['clean', 'dirty'] as const) {
        const lines = split[kind].map((example) => `${JSON.stringify(records[set]![example]!.fields)}\n`);
        const path = join(context.outputDirectory, 'evaluation', `${split.name}.${kind}.jsonl`);
        writeFileAtomic(path, lines.join(''));
      }
    }
    return { splits, frequentGrams: counts.filter((count) => count > maxDocuments).length };
  }

  private task(stage: StageName, key: string, input: unknown, decides: unknown): Task {
    return { stage, key, input, fingerprint: hashJson([algorithmVersion, stage, key, decides]) };
  }

  private perGroup<T>(
    stage: StageName,
    groups: readonly Group[],
    decides: unknown,
    more: (group: Group) => object = () => ({}),
  ) {
    return this.stage<T>(
      groups.map((group) =>
        this.task(stage, groupKey(group.index), { group: group.index, ...more(group) }, decides),
      ),
    );
  }

  private async single<T>(stage: StageName, input: unknown, decides: unknown) {
    const { results, fingerprint } = await this.stage<T>([this.task(stage, 'all', input, decides)]);
    return { result: results[0]!, fingerprint };
  }

  /** Runs what is not done, in any order; results come back in the order of the tasks. */
  private async stage<T>(tasks: readonly Task[], isValid: (result: T) => boolean = () => true) {
    const { context } = this;
    const fingerprint = hashJson(tasks.map((task) => task.fingerprint));
    if (tasks.length === 0) return { results: [] as T[], fingerprint };
    const stage = tasks[0]!.stage;
    const missing = tasks.filter((task) => {
      const receipt = readReceipt(context, task);
      if (receipt && isValid(receipt.result as T)) return false;
      if (receipt) rmSync(join(context.workDirectory, stage, `${task.key}.done.json`));
      return true;
    });
    let done = tasks.length - missing.length;
    this.emit({ type: 'stage', stage, tasks: tasks.length, done });
    if (missing.length > 0) {
      await this.executor.run(context, missing, ({ key }) => {
        this.emit({ type: 'task', stage, key, done: ++done, tasks: tasks.length });
      });
    }
    context.signal?.throwIfAborted();
    const results: T[] = [];
    for (const task of tasks) {
      // On a network folder another host's receipt may take a moment to show.
      let receipt = readReceipt(context, task);
      for (let wait = 50; !receipt && wait < 5000; wait *= 2) {
        await sleepUnlessAborted(wait, context.signal);
        receipt = readReceipt(context, task);
      }
      if (!receipt)
        throw new ConfigError(
          'work',
          `task ${stage}/${task.key} left no receipt in ${context.workDirectory}`,
        );
      results.push(receipt.result as T);
    }
    return { results, fingerprint };
  }

  /** Shards of an earlier configuration, and temporary files that killed runs left. */
  private removeStaleFiles(manifest: Manifest): void {
    const current = new Set(manifest.shards.map(({ file }) => file));
    const { outputDirectory, workDirectory } = this.context;
    for (const name of readdirSync(outputDirectory)) {
      const isStale = /^(?:train|validation)-\d{5}\.tokens$/.test(name) && !current.has(name);
      if (isStale || name.endsWith('.tmp')) rmSync(join(outputDirectory, name), { force: true });
    }
    for (const stage of readdirSync(workDirectory)) {
      for (const name of readdirSync(join(workDirectory, stage))) {
        if (name.endsWith('.tmp')) rmSync(join(workDirectory, stage, name), { force: true });
      }
    }
  }
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
