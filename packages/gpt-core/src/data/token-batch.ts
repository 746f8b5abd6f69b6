/** The label of a position that is not trained on; the value Hugging Face and PyTorch use. */
export const IGNORE_INDEX = -100;

/** A batch of equally long rows, row after row in flat arrays of `batchSize × length`. */
export interface TokenBatch {
  readonly batchSize: number;
  readonly length: number;
  readonly tokenIds: Int32Array;
  /** `labels[i]` is the token that should follow position i (already shifted), or `IGNORE_INDEX`. */
  readonly labels: Int32Array;
  /**
   * Which document of its row a position belongs to, counted from 0; −1 marks padding. Attention stays inside
   * a document and positions restart at its first token. Absent: every row is one document.
   */
  readonly segmentIds?: Int32Array;
}

/** A value that survives JSON unchanged: what a source writes into a checkpoint. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** How often one source of a mixture has been passed over. */
export interface SourceEpochs {
  readonly name: string;
  /** Tokens drawn so far. */
  readonly tokens: number;
  /** Passes over the source; above 1 means that data repeats. */
  readonly epochs: number;
}

/** Where training batches come from. `next` must depend on `position` alone, so that a resumed run is exact. */
export interface TokenSource {
  readonly name: string;
  /** Tokens per row. */
  readonly contextLength: number;
  /** UTF-8 bytes per token, to report bits per byte; absent when the source does not know its text. */
  readonly bytesPerToken?: number;
  /** Fingerprint of the tokenizer that made the ids. */
  readonly tokenizerFingerprint?: string;
  /** Highest id + 1 that the tokenizer can emit; compared with the model's vocabulary. */
  readonly vocabSize?: number;
  /** The next rows. */
  next(batchSize: number): TokenBatch | Promise<TokenBatch>;
  /** Where the source stands; goes into checkpoints. */
  readonly position: Json;
  /** Moves to a position that this source reported. */
  seek(position: Json): void;
  /** Passes so far, per source. */
  epochs(): readonly SourceEpochs[];
}

/** Held-out batches in a fixed order, every batch of the same shape (short ones padded with ignored rows). */
export interface ValidationSource {
  readonly contextLength: number;
  readonly bytesPerToken?: number;
  /** At most `maxBatches` batches, spread evenly over the held-out text. */
  batches(batchSize: number, maxBatches?: number): Iterable<TokenBatch> | AsyncIterable<TokenBatch>;
}

/** Positions of a batch that are trained on. */
export function countTargets(labels: Int32Array): number {
  let count = 0;
  for (let i = 0; i < labels.length; i++) if (labels[i] !== IGNORE_INDEX) count++;
  return count;
}

/** Rows [start, end) of a batch, sharing its memory. */
export function sliceRows(batch: TokenBatch, start: number, end: number): TokenBatch {
  const from = start * batch.length;
  const to = end * batch.length;
  return {
    batchSize: end - start,
    length: batch.length,
    tokenIds: batch.tokenIds.subarray(from, to),
    labels: batch.labels.subarray(from, to),
    ...(batch.segmentIds && { segmentIds: batch.segmentIds.subarray(from, to) }),
  };
}
