import { InvalidMetricInputError } from '../errors.js';

/** One candidate answer as the model scored it. */
export interface ScoredChoice {
  text: string;
  /** Σ log-probability of its tokens given the context, nats. */
  logLikelihood: number;
  /** Number of its tokens; needed by `'token'`. */
  tokens?: number;
  /** Σ log-probability given a neutral context such as "Answer:"; needed by `'unconditional'`. */
  unconditionalLogLikelihood?: number;
}

/**
 * How choices of different length are compared:
 * `'sum'` (`acc`), `'character'` (`acc_norm`), `'byte'` (`acc_bytes`), `'token'`, or `'unconditional'`
 * (GPT-3, §2.4: P(choice | context) / P(choice | answer context)).
 */
export type ChoiceNormalisation = 'sum' | 'character' | 'byte' | 'token' | 'unconditional';

const utf8 = new TextEncoder();

/** Index of the choice the model prefers; the first of equals. */
export function pickChoice(
  choices: readonly ScoredChoice[],
  normalisation: ChoiceNormalisation = 'sum',
): number {
  if (choices.length === 0)
    throw new InvalidMetricInputError('choices', 'an empty list', 'give at least one choice');
  let best = 0;
  let bestScore = Number.NEGATIVE_INFINITY;
  choices.forEach((choice, index) => {
    const score = choiceScore(choice, normalisation);
    if (score > bestScore) [best, bestScore] = [index, score];
  });
  return best;
}

/** The number that {@link pickChoice} compares. */
export function choiceScore(choice: ScoredChoice, normalisation: ChoiceNormalisation): number {
  const { text, logLikelihood, tokens, unconditionalLogLikelihood } = choice;
  switch (normalisation) {
    case 'sum':
      return logLikelihood;
    case 'character':
      return logLikelihood / Math.max(1, Array.from(text).length);
    case 'byte':
      return logLikelihood / Math.max(1, utf8.encode(text).length);
    case 'token':
      if (!tokens) throw new InvalidMetricInputError('tokens', tokens, "set it: 'token' divides by it");
      return logLikelihood / tokens;
    case 'unconditional':
      if (unconditionalLogLikelihood === undefined) {
        throw new InvalidMetricInputError(
          'unconditionalLogLikelihood',
          undefined,
          "set it: 'unconditional' subtracts it",
        );
      }
      return logLikelihood - unconditionalLogLikelihood;
    default:
      throw new InvalidMetricInputError(
        'normalisation',
        normalisation,
        "use 'sum', 'character', 'byte', 'token' or 'unconditional'",
      );
  }
}
