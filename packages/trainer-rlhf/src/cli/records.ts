import { readFile } from 'node:fs/promises';
import { parseJsonl } from '@gpt-lineage/gpt-core';
import { parseDemonstrations, parseRankings } from '../human-feedback/records.js';
import type { RolloutPrompt } from '../rollouts/rollout.js';
import { UsageError } from './errors.js';

/** All records of some files. @throws {UsageError} when there are none */
async function readAll<Record>(
  paths: readonly string[],
  parse: (text: string, name: string) => Record[],
): Promise<Record[]> {
  const lists = await Promise.all(paths.map(async (path) => parse(await readFile(path, 'utf8'), path)));
  const records = lists.flat();
  if (records.length === 0)
    throw new UsageError(`${paths.join(', ')}: no records; write one JSON object a line.`);
  return records;
}

export const readDemonstrations = (paths: readonly string[]) => readAll(paths, parseDemonstrations);
export const readRankings = (paths: readonly string[]) => readAll(paths, parseRankings);

/** `{ prompt, … }` a line; the other fields are the prompt's record, which rules see. */
export const readPrompts = (paths: readonly string[]): Promise<RolloutPrompt[]> =>
  readAll(paths, (text, name) =>
    [...parseJsonl(text, name)].map(([line, row]) => {
      const { prompt, ...record } = row as { prompt?: unknown };
      if (typeof prompt !== 'string') throw new UsageError(`${name}:${line} has no text "prompt": add it.`);
      return { prompt, record };
    }),
  );

/** `{ question, answer? }` a line. */
export const readQuestions = (paths: readonly string[]) =>
  readAll(paths, (text, name) =>
    [...parseJsonl(text, name)].map(([line, row]) => {
      const { question, answer } = row as { question?: unknown; answer?: unknown };
      if (typeof question !== 'string')
        throw new UsageError(`${name}:${line} has no text "question": add it.`);
      return answer === undefined ? { question } : { question, answer: String(answer) };
    }),
  );

/** The fields that have a value, and none of `without`. */
export function defined<T extends object, Without extends keyof T = never>(
  values: T,
  ...without: readonly Without[]
): { [K in Exclude<keyof T, Without>]: Exclude<T[K], undefined> } {
  const names = new Set<PropertyKey>(without);
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) => value !== undefined && !names.has(name)),
  ) as never;
}
