import type { Feeds } from '@gpt-lineage/gpt-core';
import { type PromptCompletion, rowFeeds, sequenceRows } from './sequence-rows.js';

/** One sampled completion with everything its update needs; per-token lists follow the completion's tokens. */
export interface Experience extends PromptCompletion {
  /** Under the policy that sampled, nats. */
  readonly oldLogProbs: readonly number[];
  readonly advantages: readonly number[];
  readonly referenceLogProbs?: readonly number[];
  readonly oldValues?: readonly number[];
  readonly returns?: readonly number[];
}

const FILLER: Experience = {
  promptTokenIds: [0],
  completionTokenIds: [0],
  oldLogProbs: [0],
  advantages: [0],
};

const LISTS = ['oldLogProbs', 'advantages', 'referenceLogProbs', 'oldValues', 'returns'] as const;

/** Rows of experience as arrays; a missing row is padding whose mask is 0. */
export function experienceFeeds(batch: readonly (Experience | undefined)[], length: number): Feeds {
  const rows = sequenceRows(
    batch.map((item) => item ?? FILLER),
    length,
  );
  batch.forEach((item, row) => {
    if (item === undefined) rows.completionMask.fill(0, row * length, (row + 1) * length);
  });
  const shape = [batch.length, length];
  const lists = LISTS.map((name) => {
    const data = new Float32Array(batch.length * length);
    batch.forEach((item, row) => {
      const values = item?.[name];
      if (values) data.set(values, row * length + item.promptTokenIds.length);
    });
    return [name, { data, shape }] as const;
  });
  return { ...rowFeeds(rows), ...Object.fromEntries(lists) };
}

/** The part of each row of `[rows, length]` numbers that belongs to its completion. */
export function completionParts(
  values: ArrayLike<number>,
  sequences: readonly PromptCompletion[],
  length: number,
): number[][] {
  return sequences.map(({ promptTokenIds, completionTokenIds }, row) =>
    Array.from(completionTokenIds, (_, token) => values[row * length + promptTokenIds.length + token]!),
  );
}
