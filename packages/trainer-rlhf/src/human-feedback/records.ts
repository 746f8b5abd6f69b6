import { parseJsonl } from '@gpt-lineage/gpt-core';
import { z } from 'zod';
import { FeedbackRecordError } from '../errors.js';
import { useCases } from './use-cases.js';

const text = z.string();
const about = {
  /** Who wrote the prompt; splits keep a user's prompts together. */
  user: z.string().optional(),
  /** Who wrote the demonstration or ranked the completions. */
  labeler: z.string().optional(),
  category: z.enum(useCases).optional(),
};

const demonstration = z.looseObject({ prompt: text, completion: text.min(1), ...about });
const ranking = z.looseObject({
  prompt: text,
  completions: z.array(text).min(2),
  ranks: z.array(z.number().int().min(0)).optional(),
  ...about,
});
const preference = z.looseObject({
  prompt: text.optional(),
  chosen: text,
  rejected: text,
  /** Neither is better: kept for agreement statistics, not trained on. */
  tie: z.boolean().optional(),
  ...about,
});

interface About {
  readonly user?: string | undefined;
  readonly labeler?: string | undefined;
  readonly category?: (typeof useCases)[number] | undefined;
}

/** What a labeller was asked, and wrote. */
export interface DemonstrationRecord extends About {
  readonly prompt: string;
  readonly completion: string;
}

/** K completions in a labeller's order: one rank per completion, 0 = best, equal ranks = a tie. */
export interface RankingRecord extends About {
  readonly prompt: string;
  readonly completions: readonly string[];
  readonly ranks: readonly number[];
}

/** Reads JSONL of `{ prompt, completion, user?, labeler?, category? }`. @throws {FeedbackRecordError} naming line and field */
export function parseDemonstrations(jsonl: string, name = 'demonstrations'): DemonstrationRecord[] {
  return read(jsonl, name, (row, where) => check(demonstration, row, where));
}

/**
 * Reads JSONL of rankings, in either form:
 * `{ prompt, completions: [K], ranks?: [K] }` (without ranks: best first), or `{ prompt?, chosen, rejected, tie? }`.
 * Without `prompt`, `chosen` and `rejected` are whole dialogues (as in HH-RLHF), and the prompt is what both share up to
 * the last `Assistant:`.
 *
 * @throws {FeedbackRecordError} naming line and field
 */
export function parseRankings(jsonl: string, name = 'rankings'): RankingRecord[] {
  return read(jsonl, name, (row, where) => {
    if (!('chosen' in row)) {
      const record = check(ranking, row, where);
      const ranks = record.ranks ?? record.completions.map((_, rank) => rank);
      if (ranks.length !== record.completions.length) {
        throw new FeedbackRecordError(
          `${where} ranks`,
          ranks.length,
          `give one rank per completion (${record.completions.length})`,
        );
      }
      return { ...record, ranks };
    }
    const { chosen, rejected, tie = false, ...rest } = check(preference, row, where);
    const ranks = tie ? [0, 0] : [0, 1];
    if (rest.prompt !== undefined)
      return { ...rest, prompt: rest.prompt, completions: [chosen, rejected], ranks };
    const cut = dialoguePrompt(chosen, rejected);
    if (cut === undefined) {
      throw new FeedbackRecordError(
        `${where} chosen`,
        chosen.slice(0, 40),
        'give a prompt, or two dialogues that share all but the last answer',
      );
    }
    return {
      ...rest,
      prompt: chosen.slice(0, cut),
      completions: [chosen.slice(cut), rejected.slice(cut)],
      ranks,
    };
  });
}

/** One JSON object a line, ready for {@link parseDemonstrations} or {@link parseRankings}. */
export const toJsonl = (records: readonly object[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');

/** Every ordered pair `[better, worse]` of a ranking; ties give none. */
export function rankedPairs({ ranks }: Pick<RankingRecord, 'ranks'>): [number, number][] {
  return ranks.flatMap((rank, i) =>
    ranks.flatMap((other, j): [number, number][] => (rank < other ? [[i, j]] : [])),
  );
}

const ANSWER = 'Assistant:';

/** Where the last answer begins, when both dialogues are equal up to there. */
function dialoguePrompt(chosen: string, rejected: string): number | undefined {
  const at = chosen.lastIndexOf(ANSWER) + ANSWER.length;
  const other = rejected.lastIndexOf(ANSWER) + ANSWER.length;
  return at >= ANSWER.length && at === other && chosen.slice(0, at) === rejected.slice(0, at)
    ? at
    : undefined;
}

function read<Record>(jsonl: string, name: string, parse: (row: object, where: string) => Record): Record[] {
  return [...parseJsonl(jsonl, name)].map(([line, row]) => parse(row, `${name}:${line}`));
}

function check<Schema extends z.ZodType>(schema: Schema, row: object, where: string): z.infer<Schema> {
  const parsed = schema.safeParse(row);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const value = issue.path.reduce<unknown>((at, key) => (at as never)?.[key], row);
  throw new FeedbackRecordError(
    `${where} ${issue.path.join('.') || 'record'}`,
    value,
    `correct it (${issue.message})`,
  );
}
