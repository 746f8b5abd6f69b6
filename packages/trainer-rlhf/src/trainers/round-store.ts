import type { CheckpointStore, GPT } from '@gpt-lineage/gpt-core';
import { GPT as Model } from '@gpt-lineage/gpt-core';
import { TrainerDataError } from '../errors.js';
import { copyVariables } from '../models/copy-model.js';
import type { RoundEvent } from './self-improvement.js';
import type { Demonstration } from './sft-trainer.js';

/** What a round decided before it trained. */
export interface Round {
  readonly event: RoundEvent;
  readonly examples: readonly Demonstration[];
}

const EXAMPLES_FILE = 'examples.json';
const DONE_FILE = 'done.json';

/**
 * Keeps the rounds of a self-improvement run:
 *
 * ```
 * DIR/round-1/examples.json   what was sampled and kept, written before training
 * DIR/round-1/training/       gpt-core's run directory: checkpoints, and the weights that the round ends with
 * DIR/round-1/done.json       its number of steps, written last
 * ```
 */
export class RoundStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async clear(): Promise<void> {
    const { rm } = await import('node:fs/promises');
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Steps of a round that is over, its weights written into the model; `undefined` when it is not over. */
  async finished(round: number, model: GPT): Promise<number | undefined> {
    const done = (await this.#read(round, DONE_FILE)) as { steps?: unknown } | undefined;
    if (done === undefined) return undefined;
    if (typeof done.steps !== 'number') throw this.#damaged(round, DONE_FILE);
    using saved = await Model.load(`${this.#path(round)}/training`);
    copyVariables(saved.variables, model.variables);
    return done.steps;
  }

  async begun(round: number): Promise<Round | undefined> {
    const saved = (await this.#read(round, EXAMPLES_FILE)) as Round | undefined;
    if (saved && (saved.event?.type !== 'round' || !Array.isArray(saved.examples))) {
      throw this.#damaged(round, EXAMPLES_FILE);
    }
    return saved;
  }

  begin(round: number, content: Round): Promise<void> {
    return this.#write(round, EXAMPLES_FILE, content);
  }

  async checkpoints(round: number): Promise<CheckpointStore> {
    const { RunDirectory } = await import('@gpt-lineage/gpt-core/node');
    const store = new RunDirectory(`${this.#path(round)}/training`);
    await store.open();
    return store;
  }

  finish(round: number, steps: number): Promise<void> {
    return this.#write(round, DONE_FILE, { steps });
  }

  #path(round: number): string {
    return `${this.#directory}/round-${round}`;
  }

  async #write(round: number, name: string, content: unknown): Promise<void> {
    const { writeFileAtomic } = await import('@gpt-lineage/gpt-core/node');
    await writeFileAtomic(`${this.#path(round)}/${name}`, `${JSON.stringify(content, null, 2)}\n`);
  }

  async #read(round: number, name: string): Promise<unknown> {
    const { readFile } = await import('node:fs/promises');
    const content = await readFile(`${this.#path(round)}/${name}`, 'utf8').catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      },
    );
    if (content === undefined) return undefined;
    try {
      return JSON.parse(content);
    } catch {
      throw this.#damaged(round, name);
    }
  }

  #damaged(round: number, name: string): TrainerDataError {
    return new TrainerDataError(
      `${this.#path(round)}/${name}`,
      'damaged',
      'delete the folder of this round to begin it again',
    );
  }
}
