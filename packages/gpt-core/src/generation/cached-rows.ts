import type { GPT } from '../model/gpt.js';
import { type DecodeStep, slotWidth } from './decode-programs.js';

/** Keys and values of several sequences, in plain arrays that a compiled step reads where they are. */
export interface CachedRows {
  /** For each layer `[rows, nKvHead, capacity, slotWidth]` */
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
  /** Tokens by row; a step adds to them. */
  readonly lengths: number[];
  /** Slots of a row, one more than it may have tokens: a row that waits for others writes behind its end. */
  readonly capacity: number;
}

/**
 * One step over the rows from `first` on, which writes their new keys and values into place. A row with fewer tokens
 * than the longest is padded behind its end, where its next token will overwrite the padding.
 *
 * @param tokens for each row; none where a row only stands between others
 * @param asked places in the flattened tokens after which logits are wanted
 * @returns for each asked place: logits `[vocabSize]`
 */
export async function stepRows(
  model: GPT,
  step: DecodeStep,
  cache: CachedRows,
  first: number,
  tokens: readonly (readonly number[])[],
  asked: Int32Array,
): Promise<Float32Array[]> {
  const { contextLength, nKvHead, vocabSize } = model.config;
  const { lengths, capacity } = cache;
  const batch = tokens.length;
  const length = Math.max(...tokens.map((ids) => ids.length));
  const tokenIds = new Int32Array(batch * length);
  const positionIds = new Int32Array(batch * length);
  const last = new Int32Array(batch);
  tokens.forEach((ids, row) => {
    const known = lengths[first + row]!;
    last[row] = known + length - 1;
    tokenIds.set(ids, row * length);
    for (let i = 0; i < length; i++) positionIds[row * length + i] = Math.min(known + i, contextLength - 1);
  });
  const slots = Int32Array.from({ length: Math.max(...last) + 1 }, (_, slot) => slot);
  const rowSize = nKvHead * slotWidth(model) * capacity;
  const own = (layer: Float32Array) => layer.subarray(first * rowSize, (first + batch) * rowSize);
  const [keys, values] = [cache.keys.map(own), cache.values.map(own)];
  const { logits } = await step(tokenIds, positionIds, last, slots, asked, keys, values);
  tokens.forEach((ids, row) => {
    lengths[first + row]! += ids.length;
  });
  const rows = logits.dataSync() as Float32Array;
  logits.dispose();
  return Array.from(asked, (_, i) => rows.subarray(i * vocabSize, (i + 1) * vocabSize));
}
