import { join } from 'node:path';
import { type GPT, initCompute, GPT as Model } from '@gpt-lineage/gpt-core';
import {
  abortOnInterrupt,
  jsonlLog,
  type MetricsLog,
  RunDirectory,
  tensorBoardLog,
} from '@gpt-lineage/gpt-core/node';
import type { OnPolicyEvent } from '../trainers/on-policy-events.js';
import type { RoundEvent } from '../trainers/self-improvement.js';
import type { SelectionEvent } from '../trainers/sft-trainer.js';
import type { SessionFlags } from './config.js';
import { UsageError } from './errors.js';
import { createProgress } from './progress.js';

export type SessionEvent = OnPolicyEvent | SelectionEvent | RoundEvent;

/** Starts the backend that the flags ask for. */
export function initialise(flags: SessionFlags) {
  return initCompute({
    verbose: flags.verbose === true,
    ...(flags.backend !== undefined && { prefer: flags.backend as 'cpu', strict: true }),
  });
}

/** Loads a model that texts can be given to. @throws {UsageError} it has no tokenizer */
export async function loadModel(directory: string): Promise<GPT> {
  const model = await Model.load(directory);
  if (model.tokenizer) return model;
  model.dispose();
  throw new UsageError(
    `${directory} holds no tokenizer: give the folder of a model with its tokenizer.json.`,
  );
}

/**
 * Runs a training command: refuses a folder that is taken, opens the run at its first event, logs every event, shows
 * progress, and turns Ctrl-C into a checkpoint.
 *
 * @param train gets where checkpoints go and the signal that Ctrl-C raises
 */
export async function runSession(
  settings: { readonly out: string },
  flags: SessionFlags,
  train: (run: {
    checkpoints: RunDirectory;
    signal: AbortSignal;
    resume: boolean;
  }) => AsyncIterable<SessionEvent>,
): Promise<void> {
  const directory = new RunDirectory(settings.out);
  await refuseTaken(directory, flags);
  const stop = new AbortController();
  const removeHandlers = abortOnInterrupt(stop);
  const progress = flags.quiet || flags.json ? undefined : createProgress();
  const logs: MetricsLog[] = [];
  let aborted = false;
  try {
    const events = train({ checkpoints: directory, signal: stop.signal, resume: flags.resume === true });
    for await (const event of events) {
      if (logs.length === 0) logs.push(...(await openRun(directory, settings, flags, event)));
      for (const log of logs) log.write(event);
      progress?.show(event);
      if (event.type === 'end') aborted = event.reason === 'aborted';
    }
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
    aborted = true; // between two checkpoints: what is on the disk stands
  } finally {
    removeHandlers();
    progress?.close();
    for (const log of logs) await log.close();
    directory.close();
  }
  if (aborted) process.exitCode = 130;
  else if (progress) process.stdout.write(`model saved in ${settings.out}\n`);
}

/** Nothing is written before the first event, that is, before everything was checked. */
async function openRun(
  directory: RunDirectory,
  settings: object,
  flags: SessionFlags,
  first: SessionEvent,
): Promise<MetricsLog[]> {
  const step = first.type === 'start' ? first.step : 'step' in first && first.step ? first.step - 1 : 0;
  await directory.begin(settings, flags.overwrite === true && !flags.resume);
  const logs = [await jsonlLog(flags.jsonl ?? directory.metricsFile, step)];
  if (flags.json) logs.push(await jsonlLog('-'));
  if (flags.tensorboard) logs.push(await tensorBoardLog(join(directory.path, 'tensorboard')));
  return logs;
}

async function refuseTaken(run: RunDirectory, flags: SessionFlags): Promise<void> {
  run.requireFree();
  const exists = await run.holdsRun();
  if (flags.resume && !exists)
    throw new UsageError(`${run.path} holds no run to resume: check --out, or start one without --resume.`);
  if (exists && !flags.overwrite && !flags.resume)
    throw new UsageError(
      `${run.path} already holds a run: add --resume to go on, --overwrite to start anew.`,
    );
}
