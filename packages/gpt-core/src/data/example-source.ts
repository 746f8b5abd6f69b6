import { DataError } from './errors.js';
import { type PackedRows, packBestFit, packedBatch, requireTrainedTokens, type TrainingExample } from './packing.js';
import { hash32, permute } from './random.js';
import type { Json, TokenSource, ValidationSource } from './token-batch.js';
import { readDrawn } from './window-source.js';

export interface ExampleSourceOptions {
  /** Tokens per row. */
  contextLength: number;
  /**
   * `'best-fit'` (default): several examples a row, attention kept inside each. `'none'`: one example a row.
   */
  packing?: 'best-fit' | 'none';
  /** Examples longer than a row: `'error'` (default), or `'truncate'` at the end. */
  tooLong?: 'error' | 'truncate';
  /** Order of the rows. Default 0. */
  seed?: number;
  /** Default `'examples'`. */
  name?: string;
  padTokenId?: number;
  tokenizerFingerprint?: string;
}

/**
 * Instruction-tuning examples as a source for `pretrain`: every epoch passes each example once, rows in a new
 * order.
 *
 * @throws {DataError} naming the example that has no trained token or does not fit
 */
export function exampleSource(
  examples: readonly TrainingExample[],
  options: ExampleSourceOptions,
): TokenSource & ValidationSource {
  const { contextLength, packing = 'best-fit', tooLong = 'error', seed = 0, name = 'examples' } = options;
  if (examples.length === 0) throw new DataError(`${name} holds no examples: give at least one.`, { where: name });
  const fitted = examples.map((example) => {
    if (tooLong === 'error' || example.tokenIds.length <= contextLength) return example;
    return {
      tokenIds: Array.from(example.tokenIds).slice(0, contextLength),
      lossMask: Array.from(example.lossMask).slice(0, contextLength),
    };
  });
  fitted.forEach(requireTrainedTokens);
  const lengths = fitted.map(({ tokenIds }) => tokenIds.length);
  const packed = packBestFit(lengths, contextLength);
  const rows: PackedRows = packing === 'none' ? lengths.map((_, index) => [index]) : packed;
  const batch = (chosen: PackedRows) => packedBatch(fitted, chosen, contextLength, options.padTokenId ?? 0);
  let drawn = 0;
  return {
    name,
    contextLength,
    ...(options.tokenizerFingerprint !== undefined && { tokenizerFingerprint: options.tokenizerFingerprint }),
    next(batchSize) {
      const chosen = Array.from({ length: batchSize }, (_, i) => {
        const epoch = Math.floor((drawn + i) / rows.length);
        return rows[permute((drawn + i) % rows.length, rows.length, hash32(seed, epoch))]!;
      });
      drawn += batchSize;
      return batch(chosen);
    },
    get position(): Json {
      return { drawn };
    },
    seek(position) {
      drawn = readDrawn(position, name);
    },
    epochs: () => [{ name, tokens: drawn * contextLength, epochs: drawn / rows.length }],
    *batches(batchSize, maxBatches = Number.POSITIVE_INFINITY) {
      const wanted = Math.min(rows.length, maxBatches * batchSize);
      for (let from = 0; from < wanted; from += batchSize)
        yield batch(Array.from({ length: batchSize }, (_, i) => (from + i < wanted ? rows[from + i]! : [])));
    },
  };
}
