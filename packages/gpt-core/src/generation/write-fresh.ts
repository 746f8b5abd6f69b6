/** Where new keys and values go. */
export interface FreshRows {
  /** For each row: the slot of its first new token */
  readonly starts: readonly number[];
  /** For each row: how many of its new tokens are real; the rest is padding */
  readonly counts: readonly number[];
  /** New tokens of a row, padding included */
  readonly length: number;
  readonly heads: number;
  /** Numbers that a head keeps for a token */
  readonly width: number;
  /** Slots of a row */
  readonly capacity: number;
}

/**
 * Writes new keys and values into the slots of their tokens.
 *
 * @param fresh `[caches, rows, length, heads * width]`
 * @param caches each `[rows, heads, capacity, width]`
 */
export function writeFresh(fresh: Float32Array, caches: readonly Float32Array[], rows: FreshRows): void {
  const { starts, counts, length, heads, width, capacity } = rows;
  caches.forEach((cache, at) => {
    counts.forEach((count, row) => {
      for (let i = 0; i < count; i++) {
        const from = ((at * counts.length + row) * length + i) * heads * width;
        const slot = starts[row]! + i;
        for (let head = 0; head < heads; head++) {
          const source = from + head * width;
          const target = ((row * heads + head) * capacity + slot) * width;
          for (let d = 0; d < width; d++) cache[target + d] = fresh[source + d]!;
        }
      }
    });
  });
}
