import type { Feeds } from '@gpt-lineage/gpt-core';
import { SequenceLengthError } from '../errors.js';

/** A prompt and what follows it. */
export interface PromptCompletion {
  readonly promptTokenIds: readonly number[];
  readonly completionTokenIds: readonly number[];
}

/** Rows of equal length in flat arrays, `rows × length`, padded on the right. */
export interface SequenceRows {
  readonly rows: number;
  readonly length: number;
  readonly tokenIds: Int32Array;
  /** 1 = token, 0 = padding. */
  readonly attentionMask: Int32Array;
  /** 1 = token of the completion. */
  readonly completionMask: Float32Array;
}

export const sequenceLength = ({ promptTokenIds, completionTokenIds }: PromptCompletion): number =>
  promptTokenIds.length + completionTokenIds.length;

/**
 * Lays sequences out as rows.
 *
 * @param length of a row
 * @throws {SequenceLengthError} naming the sequence that does not fit or whose completion is empty
 */
export function sequenceRows(
  sequences: readonly PromptCompletion[],
  length: number,
  padTokenId = 0,
): SequenceRows {
  const rows = sequences.length;
  const tokenIds = new Int32Array(rows * length).fill(padTokenId);
  const attentionMask = new Int32Array(rows * length);
  const completionMask = new Float32Array(rows * length);
  sequences.forEach(({ promptTokenIds, completionTokenIds }, row) => {
    const total = promptTokenIds.length + completionTokenIds.length;
    if (total > length) throw new SequenceLengthError(row, total, length);
    if (completionTokenIds.length === 0) throw new SequenceLengthError(row, 0, length);
    const start = row * length;
    tokenIds.set(promptTokenIds, start);
    tokenIds.set(completionTokenIds, start + promptTokenIds.length);
    attentionMask.fill(1, start, start + total);
    completionMask.fill(1, start + promptTokenIds.length, start + total);
  });
  return { rows, length, tokenIds, attentionMask, completionMask };
}

/** The rows as arrays for the engine. */
export function rowFeeds({ rows, length, tokenIds, attentionMask, completionMask }: SequenceRows): Feeds {
  const shape = [rows, length];
  return {
    tokenIds: { data: tokenIds, shape },
    attentionMask: { data: attentionMask, shape },
    completionMask: { data: completionMask, shape },
  };
}

/** Longest of the sequences, rounded up so that few different shapes occur. */
export function paddedLength(
  sequences: Iterable<PromptCompletion>,
  contextLength: number,
  multiple = 8,
): number {
  let longest = 1;
  for (const sequence of sequences) longest = Math.max(longest, sequenceLength(sequence));
  return Math.min(contextLength, Math.ceil(longest / multiple) * multiple);
}
