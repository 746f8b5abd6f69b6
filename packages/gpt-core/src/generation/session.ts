/**
 * Sequences that a model is reading and writing: rows of tokens with their keys and values cached. Logits come to
 * JavaScript as arrays, because that is where tokens are chosen.
 */
export interface DecodeSession {
  /** Tokens that row `row` has read. */
  length(row: number): number;
  readonly rows: number;
  /**
   * Reads more tokens of every row and predicts what follows.
   *
   * @param tokens one list for each row; all lists have the same length, except in the first call
   * @param all predictions after every token instead of after the last
   * @returns for each row, for each asked position: logits `[vocabSize]`
   */
  read(tokens: readonly (readonly number[])[], all?: boolean): Promise<Float32Array[][]>;
  /** Row `i` goes on as a copy of row `rows[i]`; there may be more or fewer rows than before. */
  select(rows: readonly number[]): void | Promise<void>;
  /** A session of its own whose row `i` is a copy of row `rows[i]`. */
  fork(rows: readonly number[]): DecodeSession | Promise<DecodeSession>;
  /** Forgets the last `count` tokens of every row. */
  rewind(count: number): void;
  dispose(): void;
}
