import type { LanguageModel } from '@gpt-lineage/gpt-core';
import { RuleOptionError } from '../errors.js';
import type { Rule, RuleInput } from './rule.js';

export interface RubricOption {
  /** What the judge reads. */
  readonly text: string;
  /** What choosing it is worth. */
  readonly score: number;
}

export interface RubricOptions {
  readonly name?: string;
  readonly judge: LanguageModel;
  /** What the judge is asked about the exchange. */
  readonly question: string;
  /** Answers by their letter: `{ A: { text, score }, … }`. */
  readonly options: Readonly<Record<string, RubricOption>>;
  /** `'best'` (default) takes the likeliest letter's score, `'expected'` the mean under the judge's probabilities. */
  readonly reduce?: 'best' | 'expected';
  /** Whether the rule applies, by the prompt's record; default always. */
  readonly when?: (input: RuleInput) => boolean;
}

/** What a judge reads. */
export function rubricPrompt(
  { prompt, completion }: RuleInput,
  question: string,
  options: RubricOptions['options'],
): string {
  const lines = Object.entries(options).map(([letter, { text }]) => `${letter}. ${text}`);
  return `Conversation:\n\nUser: ${prompt.trim()}\n\nAssistant: ${completion.trim()}\n\nQuestion: ${question}\n${lines.join('\n')}\nAnswer:`;
}

/** The judge's probability of each letter. */
export async function classify(
  input: RuleInput,
  { judge, question, options }: RubricOptions,
): Promise<Map<string, number>> {
  const letters = Object.keys(options);
  const promptTokenIds = await judge.encode(rubricPrompt(input, question, options));
  const requests = await Promise.all(
    letters.map(async (letter) => ({ promptTokenIds, completionTokenIds: await judge.encode(` ${letter}`) })),
  );
  const scores = await judge.score(requests, input.signal ? { signal: input.signal } : {});
  const top = Math.max(...scores.map((score) => score.logLikelihood));
  const weights = scores.map((score) => Math.exp(score.logLikelihood - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return new Map(letters.map((letter, index) => [letter, weights[index]! / total]));
}

/** A rubric that a language model answers as a multiple-choice question, by the likelihood of the letters. */
export function rubricRule(options: RubricOptions): Rule {
  const letters = Object.keys(options.options);
  if (letters.length < 2)
    throw new RuleOptionError('options', letters.join(), 'give at least two answers to choose from');
  return {
    name: options.name ?? 'rubric',
    async score(input) {
      if (options.when && !options.when(input)) return undefined;
      const probabilities = await classify(input, options);
      if (options.reduce === 'expected') {
        return letters.reduce(
          (sum, letter) => sum + probabilities.get(letter)! * options.options[letter]!.score,
          0,
        );
      }
      const best = letters.reduce((top, letter) =>
        probabilities.get(letter)! > probabilities.get(top)! ? letter : top,
      );
      return options.options[best]!.score;
    },
  };
}
