/** What a processor may know of the sequence whose next token is being chosen. */
export interface LogitsContext {
  /** Prompt and generated tokens so far */
  readonly tokenIds: readonly number[];
  readonly promptLength: number;
  /** Text generated so far, without characters that are still incomplete */
  readonly text: string;
  /** Which sample of which prompt */
  readonly row: number;
}

/**
 * Changes the scores of one sequence's next token in place. `-Infinity` removes a token.
 *
 * @param scores `[vocabSize]`
 */
export type LogitsProcessor = (scores: Float32Array, context: LogitsContext) => void;

/** Ends a sequence when it answers true after a token was added. */
export type StoppingCriterion = (context: LogitsContext) => boolean;
