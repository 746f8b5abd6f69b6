/** Random access to one long run of token ids: in memory here, memory-mapped shards in the Node entry point. */
export interface TokenStore {
  readonly length: number;
  /** Copies tokens [start, start + target.length) into `target`. */
  read(start: number, target: Int32Array): void;
}

/** A store over ids in memory (any integer array; `Uint16Array` halves the memory of small vocabularies). */
export function arrayStore(tokenIds: ArrayLike<number>): TokenStore {
  return {
    length: tokenIds.length,
    read(start, target) {
      for (let i = 0; i < target.length; i++) target[i] = tokenIds[start + i] ?? 0;
    },
  };
}

/** The part [start, end) of a store. */
export function subStore(store: TokenStore, start: number, end: number): TokenStore {
  return { length: end - start, read: (offset, target) => store.read(start + offset, target) };
}

/** Ids in the smallest array that holds them. */
export function compactTokenIds(tokenIds: ArrayLike<number>, vocabSize: number): Uint16Array | Uint32Array {
  return vocabSize <= 2 ** 16 ? Uint16Array.from(tokenIds) : Uint32Array.from(tokenIds);
}
