import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import {
  FolderInUseError,
  type FolderLock,
  lockFolder,
  requireUnlocked,
} from '@gpt-lineage/tokenizer-bpe/folders';
import { writeSafetensorsFile } from '@gpt-lineage/vision-clip/safetensors/node';
import * as tf from '@tensorflow/tfjs-core';
import type { TokenBatch } from '../data/token-batch.js';
import { CheckpointError } from '../errors.js';
import { GPT } from '../model/gpt.js';
import type {
  CheckpointStore,
  SavedTraining,
  StateTensors,
  TrainableModel,
} from '../training/checkpoint-store.js';
import { parseTrainingState } from '../training/training-state.js';
import { linkAtomic, removeTemporaries, writeDirectoryAtomic, writeFileAtomic } from './atomic-files.js';
import { readTensorFile } from './task-files.js';

const STATE_FILE = 'training.json';
const TENSORS_FILE = 'training.safetensors';
const CHECKSUMS_FILE = 'checksums.json';
const BEST_FILE = 'best.json';
const SETTINGS_FILE = 'run.json';
const METRICS_FILE = 'metrics.jsonl';
/** Files of a checkpoint that belong to the run, not to the model. */
const RUN_FILES = new Set([STATE_FILE, TENSORS_FILE, CHECKSUMS_FILE]);

export interface RunDirectoryOptions {
  /** Checkpoints kept besides the best one. Default 2. */
  keepLast?: number;
}

/**
 * A folder that holds a training run:
 *
 * ```
 * DIR/config.json, model.safetensors, …      the newest weights, a Hugging Face directory
 * DIR/checkpoints/step-00000500/             model files, training.json, training.safetensors, checksums.json
 * DIR/best.json                              which checkpoint has the lowest validation loss
 * DIR/batches/step-00000123.json             batches that a guard refused
 * DIR/run.json                               settings of the run
 * DIR/metrics.jsonl                          its events
 * ```
 *
 * A checkpoint folder is written under a temporary name, flushed and renamed: a process killed at any moment
 * leaves the previous checkpoint, never half of one. From `open` to `close`, or to the end of the process, no other
 * process can open it.
 */
export class RunDirectory implements CheckpointStore {
  readonly path: string;
  readonly #keepLast: number;
  readonly #checkpoints: string;
  #lock: FolderLock | undefined;

  constructor(path: string, options: RunDirectoryOptions = {}) {
    this.path = path;
    this.#keepLast = Math.max(1, options.keepLast ?? 2);
    this.#checkpoints = join(path, 'checkpoints');
  }

  /**
   * Makes the folder, checks that it can be written to, locks it and clears what killed processes left.
   *
   * @throws {CheckpointError} when the folder cannot be made or written to
   * @throws {FolderInUseError} when another process trains there
   */
  async open(): Promise<void> {
    try {
      await mkdir(this.#checkpoints, { recursive: true });
      this.#lock ??= lockFolder(this.path);
    } catch (cause) {
      if (cause instanceof FolderInUseError) throw cause;
      const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
      throw new CheckpointError(this.path, `the folder cannot be written (${code}); choose another one.`, {
        cause,
      });
    }
    for (const directory of [this.path, this.#checkpoints, join(this.path, 'batches')])
      await removeTemporaries(directory);
  }

  /** Lets other processes have the folder. */
  close(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** @throws {FolderInUseError} when another process trains there; the folder need not exist */
  requireFree(): void {
    requireUnlocked(this.path);
  }

  /** Where the events of the run are logged. */
  get metricsFile(): string {
    return join(this.path, METRICS_FILE);
  }

  get settingsFile(): string {
    return join(this.path, SETTINGS_FILE);
  }

  /** Whether a run was begun here. */
  async holdsRun(): Promise<boolean> {
    if ((await this.steps()).length > 0) return true;
    return access(this.settingsFile).then(
      () => true,
      () => false,
    );
  }

  /** Opens the folder for a run with these settings. @param afresh deletes what a run before it left */
  async begin(settings: object, afresh: boolean): Promise<void> {
    const old = ['checkpoints', 'batches', 'tensorboard', SETTINGS_FILE, BEST_FILE, METRICS_FILE];
    await this.open();
    if (afresh) for (const name of old) await rm(join(this.path, name), { recursive: true, force: true });
    await mkdir(this.#checkpoints, { recursive: true });
    await writeFileAtomic(this.settingsFile, `${JSON.stringify(settings, null, 2)}\n`);
  }

  async save(checkpoint: Parameters<CheckpointStore['save']>[0]): Promise<string> {
    const { model, state, tensors, isBest } = checkpoint;
    const path = join(this.#checkpoints, stepName(state.step));
    await writeDirectoryAtomic(path, async (temporary) => {
      await model.save(temporary);
      await writeFile(join(temporary, STATE_FILE), `${JSON.stringify(state, null, 2)}\n`);
      await writeTensors(join(temporary, TENSORS_FILE), tensors);
      const checksums: Record<string, string> = {};
      for (const name of await filesUnder(temporary)) checksums[name] = await sha256(join(temporary, name));
      await writeFile(join(temporary, CHECKSUMS_FILE), `${JSON.stringify(checksums, null, 2)}\n`);
    });
    if (isBest)
      await writeFileAtomic(
        join(this.path, BEST_FILE),
        `${JSON.stringify({ checkpoint: basename(path), step: state.step, loss: state.bestLoss }, null, 2)}\n`,
      );
    await this.#publish(path);
    await this.#prune();
    return path;
  }

  async finish(model: TrainableModel): Promise<void> {
    const path = join(this.path, 'final');
    await writeDirectoryAtomic(path, (temporary) => model.save(temporary));
    await this.#publish(path);
    await rm(path, { recursive: true, force: true });
  }

  /** Makes the model files of a folder those of the run. */
  async #publish(from: string): Promise<void> {
    for (const name of await filesUnder(from)) {
      if (RUN_FILES.has(name)) continue;
      await mkdir(dirname(join(this.path, name)), { recursive: true });
      await linkAtomic(join(from, name), join(this.path, name));
    }
  }

  /** @throws {CheckpointError} when the newest checkpoint is damaged */
  async latest(): Promise<SavedTraining | undefined> {
    const name = (await this.steps()).at(-1);
    return name === undefined ? undefined : readCheckpoint(join(this.#checkpoints, name));
  }

  /** Names of the complete checkpoints, oldest first. */
  async steps(): Promise<string[]> {
    const names = await readdir(this.#checkpoints).catch(() => []);
    return names.filter((name) => /^step-\d+$/.test(name)).sort((a, b) => stepOf(a) - stepOf(b));
  }

  /** Name of the checkpoint with the lowest validation loss. */
  async best(): Promise<string | undefined> {
    const text = await readFile(join(this.path, BEST_FILE), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const { checkpoint } = JSON.parse(text) as { checkpoint?: unknown };
    return typeof checkpoint === 'string' ? checkpoint : undefined;
  }

  async saveBatch(step: number, batch: TokenBatch): Promise<string> {
    const path = join(this.path, 'batches', `${stepName(step)}.json`);
    const { batchSize, length, tokenIds, labels, segmentIds } = batch;
    const rows = { batchSize, length, tokenIds: [...tokenIds], labels: [...labels] };
    await writeFileAtomic(
      path,
      JSON.stringify({ ...rows, ...(segmentIds && { segmentIds: [...segmentIds] }) }),
    );
    return path;
  }

  async #prune(): Promise<void> {
    const best = await this.best();
    for (const name of (await this.steps()).slice(0, -this.#keepLast))
      if (name !== best) await rm(join(this.#checkpoints, name), { recursive: true, force: true });
  }
}

/**
 * Reads a training checkpoint and checks every file of it.
 *
 * @throws {CheckpointError} when a file is missing, truncated or changed
 */
export async function readCheckpoint(path: string): Promise<SavedTraining> {
  await verifyChecksums(path);
  const parsed = parseTrainingState(await readJson(join(path, STATE_FILE)));
  if ('problem' in parsed) throw damaged(path, `${STATE_FILE} is not a training state (${parsed.problem})`);
  return {
    path,
    state: parsed,
    tensors: await readTensorFile(join(path, TENSORS_FILE)),
    restoreWeights: (model) => model.restore?.(path) ?? restoreWeights(path, model),
  };
}

async function restoreWeights(path: string, model: TrainableModel): Promise<void> {
  const saved = await GPT.load(path);
  try {
    requireSameConfig(path, saved.config as unknown as Config, model.config as unknown as Config);
    for (const [name, variable] of model.variables) {
      const weights = saved.variables.get(name);
      if (!weights)
        throw new CheckpointError(path, `it has no weights "${name}"; resume with the same model.`);
      tf.tidy(() => variable.assign(tf.clone(weights)));
    }
  } finally {
    saved[Symbol.dispose]();
  }
}

type Config = Readonly<Record<string, unknown>>;

/** Dropout may change between runs, everything else is the model's shape. */
function requireSameConfig(path: string, saved: Config, given: Config): void {
  for (const field of Object.keys(given)) {
    if (/Dropout$/.test(field)) continue;
    const [before, now] = [saved[field], given[field]].map((value) => JSON.stringify(value));
    if (before !== now)
      throw new CheckpointError(
        path,
        `it is of a model with ${field} ${before}, not ${now}; resume with the same configuration or start a new run.`,
      );
  }
}

async function verifyChecksums(path: string): Promise<void> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isDirectory()) throw new CheckpointError(path, 'no such folder; check the path.');
  const checksums = await readJson(join(path, CHECKSUMS_FILE));
  if (typeof checksums !== 'object' || checksums === null)
    throw damaged(path, `${CHECKSUMS_FILE} is not a list of files`);
  for (const [name, expected] of Object.entries(checksums)) {
    if (isAbsolute(name) || name.split(/[\\/]/).includes('..'))
      throw damaged(path, `${CHECKSUMS_FILE} names a file outside of the folder`);
    const file = join(path, name);
    if (
      !(await access(file).then(
        () => true,
        () => false,
      ))
    )
      throw damaged(path, `${name} is missing`);
    if ((await sha256(file)) !== expected) throw damaged(path, `${name} is truncated or was changed`);
  }
  for (const name of [STATE_FILE, TENSORS_FILE])
    if (!(name in checksums)) throw damaged(path, `${name} is missing`);
}

function damaged(path: string, problem: string): CheckpointError {
  return new CheckpointError(path, `${problem}; delete this folder to resume from the checkpoint before it.`);
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(dirname(path), `${basename(path)} is not JSON`);
    throw damaged(dirname(path), `${basename(path)} cannot be read`);
  }
}

async function writeTensors(path: string, tensors: StateTensors): Promise<void> {
  const entries = [...tensors].map(([name, { shape, data }]) => [
    name,
    { dtype: 'F32' as const, shape, data },
  ]);
  await writeSafetensorsFile(path, Object.fromEntries(entries), { metadata: { format: 'pt' } });
}

/** Every file of a folder and its subfolders (PPO keeps its value model in one), by relative path, sorted. */
async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function stepName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

function stepOf(name: string): number {
  return Number(name.slice('step-'.length));
}
