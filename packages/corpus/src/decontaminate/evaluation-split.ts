import type { ContaminationIndex } from './contamination-index.js';

/** Examples of a set by whether the training data holds one of their n-grams. */
export interface EvaluationSplit {
  name: string;
  /** n of the n-grams compared. */
  n: number;
  /** Numbers of the examples. */
  clean: number[];
  dirty: number[];
  /** Fewer than 8 words: cannot be told. Counted as clean nowhere. */
  tooShort: number[];
}

/**
 * Splits every evaluation set into examples that no training text touches and those one does.
 *
 * @param found whether a gram occurs in the training data (and is not too frequent to matter)
 */
export function splitEvaluationSets(
  index: ContaminationIndex,
  found: (gram: number) => boolean,
): EvaluationSplit[] {
  return index.sets.map(({ name, examples }, set) => {
    const split: EvaluationSplit = { name, n: index.nOfSet[set]!, clean: [], dirty: [], tooShort: [] };
    for (let example = 0; example < examples.length; example++) {
      const grams = index.gramsOfExample[set]![example]!;
      if (grams.length === 0) split.tooShort.push(example);
      else if (grams.some(found)) split.dirty.push(example);
      else split.clean.push(example);
    }
    return split;
  });
}
