import type { PromptCompletion } from './sequence-rows.js';

/**
 * Rows of `length` positions, and the first of them that may hold a token of a completion. What there is to know about
 * completions has the shape `[rows, length − first]`: nothing is computed where every row still has its prompt.
 */
export interface CompletionColumns {
  readonly length: number;
  /** At least 1: nothing predicts the token at position 0. */
  readonly first: number;
}

/** The columns of these sequences, given those that are meant for all; few different ones occur, hence few graphs. */
export function columnsOf(
  sequences: readonly (PromptCompletion | undefined)[],
  { length, first }: CompletionColumns,
): CompletionColumns {
  const fits = sequences.every((item) => item === undefined || item.promptTokenIds.length >= first);
  return { length, first: fits ? first : 1 };
}

/** Lists of numbers, one for each token of a completion, as `rows × (length − first)`; elsewhere 0. */
export function spreadColumns(
  sequences: readonly (PromptCompletion | undefined)[],
  lists: readonly (ArrayLike<number> | undefined)[],
  { length, first }: CompletionColumns,
): Float32Array {
  const width = length - first;
  const data = new Float32Array(sequences.length * width);
  sequences.forEach((sequence, row) => {
    const list = lists[row];
    if (sequence === undefined || list === undefined) return;
    const start = sequence.promptTokenIds.length - first;
    for (let token = Math.max(0, -start); token < list.length; token++) {
      data[row * width + start + token] = list[token]!;
    }
  });
  return data;
}

/** 1 where a completion has a token. */
export function completionMask(
  sequences: readonly (PromptCompletion | undefined)[],
  columns: CompletionColumns,
): Float32Array {
  const ones = sequences.map((item) => item && new Float32Array(item.completionTokenIds.length).fill(1));
  return spreadColumns(sequences, ones, columns);
}

/** The way back: the numbers of each sequence's completion; 0 for a token that nothing predicts. */
export function completionParts(
  values: ArrayLike<number>,
  sequences: readonly PromptCompletion[],
  { length, first }: CompletionColumns,
): number[][] {
  const width = length - first;
  return sequences.map(({ promptTokenIds, completionTokenIds }, row) => {
    const start = promptTokenIds.length - first;
    return Array.from(completionTokenIds, (_, token) =>
      start + token < 0 ? 0 : values[row * width + start + token]!,
    );
  });
}
