import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { readRecords } from '../data/read-records.js';
import { TaskError } from '../errors.js';
import type { ItemContext } from '../kinds/scored-item.js';
import { fewShotSampler } from './few-shot.js';
import { preamble } from './prompt.js';
import type { Doc, TaskDefinition } from './task.js';

export interface BuildItemsOptions {
  readonly shots: number;
  readonly seed: number;
  readonly limit?: number | undefined;
  readonly dataFolder: string;
}

const isAddress = (file: string) => /^https?:/u.test(file);

/** The records of a task's split, each with its few-shot preamble. */
export async function buildItems(
  task: TaskDefinition,
  { shots, seed, limit, dataFolder }: BuildItemsOptions,
): Promise<{ items: Doc[]; contexts: ItemContext[]; exampleSplit: string }> {
  if (!Number.isInteger(shots) || shots < 0)
    throw new TaskError(task.name, `shots is ${shots}; give a whole number from 0 on`);
  const split = task.data.split ?? 'test';
  const locate = (file: string) => (isAddress(file) || isAbsolute(file) ? file : join(dataFolder, file));
  const { train } = task.data.files;
  const hasTrain = train !== undefined && (isAddress(train) || existsSync(locate(train)));
  const exampleSplit = task.fewShot?.split ?? (hasTrain ? 'train' : split);
  const load = async (name: string): Promise<Doc[]> => {
    const file = task.data.files[name];
    if (file === undefined) {
      throw new TaskError(
        task.name,
        `has no file for the split ${name}; its data.files names ${Object.keys(task.data.files)}`,
      );
    }
    const docs = await readRecords(locate(file), task.data.columns);
    const { prepare } = task.data;
    return prepare ? docs.map(prepare).filter((doc): doc is Doc => doc !== undefined) : docs;
  };
  const all = await load(split);
  if (all.length === 0) throw new TaskError(task.name, `its split ${split} is empty`);
  const pool = shots === 0 ? [] : exampleSplit === split ? all : await load(exampleSplit);
  const sampler = fewShotSampler(task, pool, shots, {
    leaveOut: exampleSplit === split || task.fewShot?.leaveOut === true,
    seed,
  });
  const items = limit === undefined ? all : all.slice(0, limit);
  const contexts = items.map((doc) => ({ doc, preamble: preamble(task, sampler.examples(doc)) }));
  return { items, contexts, exampleSplit };
}
