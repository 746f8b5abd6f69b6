import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic-file.js';
import type { ResolvedConfig } from './config.js';

/** Everything that runs is a task: a named stage, a key, and plain input. The same task always writes the same files. */
export interface Task {
  stage: StageName;
  /** Unique in the stage; part of file names. */
  key: string;
  input: unknown;
  /** Hash of all that decides the result; a finished task with the same one is not run again. */
  fingerprint: string;
}

export const stageNames = [
  'classifier',
  'ingest',
  'exact',
  'fuzzy',
  'resolve',
  'parts',
  'scan',
  'clean',
  'tokenise',
  'plan',
  'shard',
] as const;
export type StageName = (typeof stageNames)[number];

/** What a task may use; plain data and a signal, so that any thread or host can run it. */
export interface TaskContext {
  config: ResolvedConfig;
  /** Folder that relative paths of the configuration start from. */
  baseDirectory: string;
  /** Absolute. */
  workDirectory: string;
  /** Absolute. */
  outputDirectory: string;
  signal?: AbortSignal | undefined;
}

export const hashJson = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);

/** Where a stage keeps its files. */
export const stageFile = (context: Pick<TaskContext, 'workDirectory'>, stage: string, name: string): string =>
  join(context.workDirectory, stage, name);

const receiptPath = (context: Pick<TaskContext, 'workDirectory'>, task: Pick<Task, 'stage' | 'key'>) =>
  stageFile(context, task.stage, `${task.key}.done.json`);

/** Written last: a task counts as done exactly when its receipt is there. */
export function writeReceipt(context: TaskContext, task: Task, result: unknown): void {
  writeFileAtomic(receiptPath(context, task), JSON.stringify({ fingerprint: task.fingerprint, result }));
}

/** @returns the result of a finished task with this fingerprint, or undefined */
export function readReceipt(
  context: Pick<TaskContext, 'workDirectory'>,
  task: Task,
): { result: unknown } | undefined {
  const path = receiptPath(context, task);
  if (!existsSync(path)) return undefined;
  try {
    const receipt = JSON.parse(readFileSync(path, 'utf8')) as { fingerprint: string; result: unknown };
    return receipt.fingerprint === task.fingerprint ? { result: receipt.result } : undefined;
  } catch {
    return undefined;
  }
}
