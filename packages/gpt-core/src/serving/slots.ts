/** New tokens of one slot. */
export interface SlotRead {
  readonly slot: number;
  readonly tokenIds: readonly number[];
}

/**
 * Places for sequences that a model is reading and writing, each with the keys and values of its tokens. Sequences come
 * and go independently of each other.
 */
export interface Slots {
  readonly count: number;
  /** Most tokens of a slot */
  readonly capacity: number;
  /** Tokens whose keys and values the slot holds */
  length(slot: number): number;
  /**
   * Forgets all but the first `length` tokens.
   *
   * @returns how many are left: none where the cache cannot go back
   */
  keep(slot: number, length: number): number;
  /** Makes `to` a copy of the first `length` tokens of `from`. @returns how many were copied */
  copy(from: number, to: number, length: number): number | Promise<number>;
  /** Most tokens that `extend` reads at once */
  longest(all: boolean): number;
  /**
   * Reads tokens of one slot.
   *
   * @param all predictions after every token instead of after the last
   * @returns logits `[vocabSize]` for each asked position
   */
  extend(read: SlotRead, all: boolean): Promise<Float32Array[]>;
  /** Reads one token of each of several slots together. @returns logits `[vocabSize]` for each */
  advance(reads: readonly SlotRead[]): Promise<Float32Array[]>;
  dispose(): void;
}
