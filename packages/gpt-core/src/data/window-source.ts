import { DataError } from './errors.js';
import { permute, uniformInt } from './random.js';
import {
  IGNORE_INDEX,
  type Json,
  type SourceEpochs,
  type TokenBatch,
  type TokenSource,
  type ValidationSource,
} from './token-batch.js';
import type { TokenStore } from './token-store.js';

export interface WindowOptions {
  /** Tokens per row. */
  contextLength: number;
  /**
   * `'shuffled'` (default): every epoch visits every window once, in a new order and with new borders.
   * `'random'`: uniformly random starts with replacement, as nanoGPT does. `'sequential'`: in text order.
   */
  sampling?: 'shuffled' | 'random' | 'sequential';
  /** Default 0. */
  seed?: number;
  /** Shown in reports. Default `'text'`. */
  name?: string;
  /** UTF-8 bytes per token of this store. */
  bytesPerToken?: number;
  tokenizerFingerprint?: string;
  vocabSize?: number;
  /**
   * Id that ends a document. When given, attention never crosses it, positions restart after it, and nobody
   * has to predict the first token of an unrelated document.
   */
  documentEnd?: number;
}

/**
 * Fixed-length windows over a token store: the form in which GPT models are pretrained (documents joined by
 * an end-of-text token and cut to full contexts; Language Models are Few-Shot Learners, appendix B).
 *
 * @throws {DataError} when the store is shorter than one window and its next token
 */
export function windowSource(store: TokenStore, options: WindowOptions): TokenSource {
  const { contextLength, sampling = 'shuffled', seed = 0, name = 'text' } = options;
  requireWindow(store, contextLength, name);
  let drawn = 0;
  const start = windowStart(store.length, contextLength, sampling, seed);
  return {
    name,
    contextLength,
    ...describeSource(options),
    next(batchSize) {
      const batch = readWindows(store, options, batchSize, (row) => start(drawn + row));
      drawn += batchSize;
      return batch;
    },
    get position(): Json {
      return { drawn };
    },
    seek(position) {
      drawn = readDrawn(position, name);
    },
    epochs(): readonly SourceEpochs[] {
      const tokens = drawn * contextLength;
      return [{ name, tokens, epochs: tokens / store.length }];
    },
  };
}

/**
 * Consecutive, non-overlapping windows of held-out text, in the same order every time.
 *
 * @throws {DataError} when the store is shorter than one window and its next token
 */
export function windowValidation(store: TokenStore, options: WindowOptions): ValidationSource {
  const { contextLength, name = 'validation text' } = options;
  requireWindow(store, contextLength, name);
  const windows = Math.floor((store.length - 1) / contextLength);
  return {
    contextLength,
    ...(options.bytesPerToken !== undefined && { bytesPerToken: options.bytesPerToken }),
    *batches(batchSize, maxBatches = Number.POSITIVE_INFINITY) {
      const wanted = Math.min(windows, maxBatches * batchSize);
      for (let first = 0; first < wanted; first += batchSize) {
        yield readWindows(store, options, batchSize, (row) => {
          const index = first + row;
          return index < wanted ? Math.floor((index * windows) / wanted) * contextLength : undefined;
        });
      }
    },
  };
}

/** The start of the n-th window drawn. */
function windowStart(
  length: number,
  contextLength: number,
  sampling: NonNullable<WindowOptions['sampling']>,
  seed: number,
): (draw: number) => number {
  // A window needs one more token than it shows: the label of its last position.
  const starts = length - contextLength;
  if (sampling === 'random') return (draw) => uniformInt(starts, seed, draw);
  const windows = Math.floor((length - 1) / contextLength);
  if (sampling === 'sequential') return (draw) => (draw % windows) * contextLength;
  const slack = starts - 1 - (windows - 1) * contextLength;
  return (draw) => {
    const epoch = Math.floor(draw / windows);
    const offset = uniformInt(slack + 1, seed, epoch, 7);
    return offset + permute(draw % windows, windows, seed + epoch) * contextLength;
  };
}

function readWindows(
  store: TokenStore,
  options: WindowOptions,
  batchSize: number,
  start: (row: number) => number | undefined,
): TokenBatch {
  const length = options.contextLength;
  const tokenIds = new Int32Array(batchSize * length);
  const labels = new Int32Array(batchSize * length).fill(IGNORE_INDEX);
  const segmentIds = options.documentEnd === undefined ? undefined : new Int32Array(batchSize * length);
  const window = new Int32Array(length + 1);
  for (let row = 0; row < batchSize; row++) {
    const from = start(row);
    if (from === undefined) continue;
    store.read(from, window);
    tokenIds.set(window.subarray(0, length), row * length);
    labels.set(window.subarray(1), row * length);
    if (segmentIds && options.documentEnd !== undefined) {
      let segment = 0;
      for (let i = 0; i < length; i++) {
        segmentIds[row * length + i] = segment;
        if (window[i] === options.documentEnd) {
          labels[row * length + i] = IGNORE_INDEX;
          segment++;
        }
      }
    }
  }
  return { batchSize, length, tokenIds, labels, ...(segmentIds && { segmentIds }) };
}

function describeSource(options: WindowOptions) {
  const { bytesPerToken, tokenizerFingerprint, vocabSize } = options;
  return {
    ...(bytesPerToken !== undefined && { bytesPerToken }),
    ...(tokenizerFingerprint !== undefined && { tokenizerFingerprint }),
    ...(vocabSize !== undefined && { vocabSize }),
  };
}

function requireWindow(store: TokenStore, contextLength: number, name: string): void {
  if (!Number.isInteger(contextLength) || contextLength < 1)
    throw new DataError(`contextLength must be a positive whole number, received ${contextLength}.`);
  if (store.length < contextLength + 1)
    throw new DataError(
      `${name} has ${store.length} tokens, but a context of ${contextLength} needs at least ${contextLength + 1}: use a longer text or a smaller contextLength.`,
      { where: name },
    );
}

/** Reads `{ drawn }` back from a checkpoint. */
export function readDrawn(position: Json, name: string): number {
  const drawn = (position as { drawn?: unknown } | null)?.drawn;
  if (typeof drawn !== 'number' || !Number.isSafeInteger(drawn) || drawn < 0)
    throw new DataError(
      `The checkpoint does not hold a position of the source "${name}": resume with the sources the run was started with.`,
      { where: name },
    );
  return drawn;
}
