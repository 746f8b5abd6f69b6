import { join } from 'node:path';
import { type Cluster, initCompute, joinCluster } from '@gpt-lineage/compute';
import { abortOnInterrupt } from '../node/interrupt.js';
import { jsonlLog, type MetricsLog, tensorBoardLog } from '../node/metrics-log.js';
import type { RunDirectory } from '../node/run-directory.js';
import type { EndEvent, TrainingEvent } from '../training/events.js';
import { UsageError } from './errors.js';
import { createProgress, lossChart } from './progress.js';

/** Flags that every training command has. */
export interface SessionFlags {
  out?: string;
  resume?: boolean;
  overwrite?: boolean;
  jsonl?: string;
  tensorboard?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  backend?: string;
  workers?: string;
  workerIndex?: number;
}

/** Joins the other workers of a data-parallel run. @throws {UsageError} when the flags do not fit together */
export function joinWorkers(flags: SessionFlags): Cluster | undefined {
  const { workers, workerIndex } = flags;
  if (workers === undefined && workerIndex === undefined) return undefined;
  if (workers === undefined || workerIndex === undefined)
    throw new UsageError('Data-parallel training needs both --workers HOST:PORT,… and --worker-index N.');
  return joinCluster({ workers: workers.split(','), index: workerIndex });
}

/** Says early that a folder is taken. @throws {UsageError} @throws {FolderInUseError} */
export async function refuseTaken(run: RunDirectory, flags: SessionFlags): Promise<void> {
  const keeps = (flags.workerIndex ?? 0) === 0;
  if (keeps) run.requireFree();
  if (flags.overwrite || flags.resume || !keeps || !(await run.holdsRun())) return;
  throw new UsageError(`${run.path} already holds a run: add --resume to go on, --overwrite to start anew.`);
}

/** Starts the backend that the flags ask for. */
export function initialise(flags: SessionFlags) {
  const prefer = flags.backend as 'cpu' | undefined;
  return initCompute({
    verbose: flags.verbose === true,
    ...(prefer !== undefined && { prefer, strict: true }),
  });
}

/**
 * Runs training events to their end: opens the run folder at the first one, logs, shows progress, turns Ctrl-C into
 * a checkpoint. Nothing is written before training has begun, that is, before everything was checked.
 *
 * @param settings written to `run.json`, for `--resume`
 * @param train gets the signal that Ctrl-C raises
 */
export async function runSession(
  directory: RunDirectory,
  flags: SessionFlags,
  settings: object,
  train: (signal: AbortSignal) => AsyncIterable<TrainingEvent>,
): Promise<{ end: EndEvent | undefined; shown: boolean }> {
  const stop = new AbortController();
  const logs: MetricsLog[] = [];
  // The first worker keeps the run; the others only compute.
  const keeps = (flags.workerIndex ?? 0) === 0;
  const progress = flags.quiet || flags.jsonl === '-' || !keeps ? undefined : createProgress();
  const losses: number[] = [];
  let end: EndEvent | undefined;
  const removeHandlers = abortOnInterrupt(stop);
  try {
    for await (const event of train(stop.signal)) {
      if (event.type === 'start' && keeps) {
        await directory.begin(settings, flags.overwrite === true && !flags.resume);
        logs.push(await jsonlLog(flags.jsonl ?? directory.metricsFile, event.step));
        if (flags.tensorboard) logs.push(await tensorBoardLog(join(directory.path, 'tensorboard')));
      }
      if (event.type === 'step') losses.push(event.loss);
      if (event.type === 'end') end = event;
      for (const log of logs) log.write(event);
      progress?.show(event);
    }
  } finally {
    removeHandlers();
    progress?.close();
    for (const log of logs) await log.close();
    directory.close();
  }
  if (progress) {
    const chart = lossChart(losses);
    if (chart) process.stdout.write(`\ntraining loss\n${chart}\n`);
  }
  if (end?.reason === 'aborted') process.exitCode = 130;
  return { end, shown: progress !== undefined };
}
