import type { Feeds } from '@gpt-lineage/gpt-core';
import { type CompletionColumns, columnsOf, completionMask, spreadColumns } from './completion-columns.js';
import { type PromptCompletion, sequenceRows } from './sequence-rows.js';

/** One sampled completion with everything its update needs; per-token lists follow the completion's tokens. */
export interface Experience extends PromptCompletion {
  /** Under the policy that sampled, nats. */
  readonly oldLogProbs: readonly number[];
  readonly advantages: readonly number[];
  readonly referenceLogProbs?: readonly number[];
  readonly oldValues?: readonly number[];
  readonly returns?: readonly number[];
}

/** One sampled completion of which the policy and the value model have not been asked yet. */
export interface ScoredCompletion extends PromptCompletion {
  readonly score: number;
  readonly referenceLogProbs: readonly number[];
}

const FILLER: PromptCompletion = { promptTokenIds: [0], completionTokenIds: [0] };

const LISTS = ['oldLogProbs', 'advantages', 'referenceLogProbs', 'oldValues', 'returns'] as const;

/** The tokens of a batch, `rows × length`; a missing row is padding. */
export function batchTokens(batch: readonly (PromptCompletion | undefined)[], length: number): Int32Array {
  const sequences = batch.map((item) => item ?? FILLER);
  return sequenceRows(sequences, length).tokenIds;
}

/**
 * Rows of experience as arrays: `tokenIds` `[rows, length]`, the mask and the lists `[rows, length − first]`. A missing
 * row's mask is 0.
 */
export function experienceFeeds(
  batch: readonly (Experience | undefined)[],
  columns: CompletionColumns,
): Feeds {
  const own = columnsOf(batch, columns);
  const lists = LISTS.map((name) => [name, byColumn(batch, own, name)] as const);
  return { ...rows(batch, own), ...Object.fromEntries(lists) };
}

/** The same for what was only scored: `referenceLogProbs` by column, `scores` `[rows]`. */
export function scoredFeeds(batch: readonly ScoredCompletion[], columns: CompletionColumns): Feeds {
  const own = columnsOf(batch, columns);
  return {
    ...rows(batch, own),
    referenceLogProbs: byColumn(batch, own, 'referenceLogProbs'),
    scores: { data: Float32Array.from(batch, ({ score }) => score), shape: [batch.length] },
  };
}

function rows(batch: readonly (PromptCompletion | undefined)[], columns: CompletionColumns): Feeds {
  const { length, first } = columns;
  return {
    tokenIds: { data: batchTokens(batch, length), shape: [batch.length, length] },
    completionMask: { data: completionMask(batch, columns), shape: [batch.length, length - first] },
  };
}

function byColumn<Name extends string>(
  batch: readonly ((PromptCompletion & { readonly [name in Name]?: readonly number[] }) | undefined)[],
  columns: CompletionColumns,
  name: Name,
) {
  const data = spreadColumns(
    batch,
    batch.map((item) => item?.[name]),
    columns,
  );
  return { data, shape: [batch.length, columns.length - columns.first] };
}
