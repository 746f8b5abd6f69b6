/** What a rule sees: one sampled completion, and whatever the data set knows about its prompt. */
export interface RuleInput {
  readonly prompt: string;
  readonly completion: string;
  /** Reference answer, tests, labels: fields of the prompt's record. */
  readonly record?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
}

/**
 * One criterion. Returns a score, usually from 0 to 1, or `undefined` when it does not apply to this input (the other
 * rules then decide alone).
 */
export interface Rule {
  readonly name: string;
  score(input: RuleInput): number | undefined | Promise<number | undefined>;
}

/** A rule from a function. */
export const customRule = (name: string, score: Rule['score']): Rule => ({ name, score });
