import { DataError } from './errors.js';
import { IGNORE_INDEX, type TokenBatch } from './token-batch.js';

/** One tokenised example with the positions that are trained on. */
export interface TrainingExample {
  readonly tokenIds: ArrayLike<number>;
  /** 1 where the token is to be predicted, 0 where it is only read; as long as `tokenIds`. */
  readonly lossMask: ArrayLike<number>;
}

/** Where an example goes: rows of at most `contextLength` tokens, each a list of example indices. */
export type PackedRows = readonly (readonly number[])[];

/**
 * Best fit, longest first: every example goes whole into the row that it fills best. The heuristic for bin
 * packing that needs at most 11/9 of the optimal number of rows (plus a constant).
 *
 * @throws {DataError} when an example is longer than a row
 */
export function packBestFit(lengths: readonly number[], contextLength: number): PackedRows {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const rows: number[][] = [];
  // Rows by the room they have left, so that the best fit is the first non-empty list from `length` upwards.
  const byRoom: number[][] = Array.from({ length: contextLength + 1 }, () => []);
  for (const index of order) {
    const length = lengths[index]!;
    if (length > contextLength)
      throw new DataError(
        `Example ${index} has ${length} tokens, a row holds ${contextLength}: shorten it or raise contextLength.`,
        { where: `example ${index}` },
      );
    let room = length;
    while (room <= contextLength && byRoom[room]!.length === 0) room++;
    const row = room <= contextLength ? byRoom[room]!.pop()! : rows.push([]) - 1;
    rows[row]!.push(index);
    const left = (room <= contextLength ? room : contextLength) - length;
    if (left > 0) byRoom[left]!.push(row);
  }
  return rows;
}

/**
 * Builds the batch of packed rows: labels shifted, loss masks applied, segments numbered for attention that
 * does not cross examples, the rest of each row padding.
 *
 * @throws {DataError} when an example has no trained token, or its mask another length
 */
export function packedBatch(
  examples: readonly TrainingExample[],
  rows: PackedRows,
  contextLength: number,
  padTokenId = 0,
): TokenBatch {
  const size = rows.length * contextLength;
  const tokenIds = new Int32Array(size).fill(padTokenId);
  const labels = new Int32Array(size).fill(IGNORE_INDEX);
  const segmentIds = new Int32Array(size).fill(-1);
  rows.forEach((row, rowIndex) => {
    let at = rowIndex * contextLength;
    row.forEach((exampleIndex, segment) => {
      const example = examples[exampleIndex]!;
      requireTrainedTokens(example, exampleIndex);
      const { length } = example.tokenIds;
      for (let i = 0; i < length; i++) {
        tokenIds[at + i] = example.tokenIds[i]!;
        segmentIds[at + i] = segment;
        if (i + 1 < length && example.lossMask[i + 1]) labels[at + i] = example.tokenIds[i + 1]!;
      }
      at += length;
    });
  });
  return { batchSize: rows.length, length: contextLength, tokenIds, labels, segmentIds };
}

/** @throws {DataError} when nothing of the example would be trained on */
export function requireTrainedTokens(example: TrainingExample, index: number): void {
  const { tokenIds, lossMask } = example;
  if (lossMask.length !== tokenIds.length)
    throw new DataError(
      `Example ${index} has ${tokenIds.length} tokens but a loss mask of ${lossMask.length}: give one mask value per token.`,
      { where: `example ${index}` },
    );
  // The first token is never predicted, so a mask that trains it alone trains nothing.
  for (let i = 1; i < lossMask.length; i++) if (lossMask[i]) return;
  throw new DataError(
    `Example ${index} has no token to train on: its completion is empty or was cut off; shorten the prompt or raise contextLength.`,
    { where: `example ${index}` },
  );
}
