import type { LanguageModel } from '../language-model/language-model.js';
import { type Example, type FewShotOptions, fewShotPrompt } from './few-shot.js';

/** A solved example with the steps that lead to its answer. */
export interface ReasonedExample {
  readonly question: string;
  readonly reasoning: string;
  readonly answer: string;
}

export interface ChainOfThoughtOptions extends Pick<FewShotOptions, 'instruction' | 'maxTokens' | 'count'> {
  readonly examples?: readonly ReasonedExample[];
  /** Introduces the answer after the steps. Default `The answer is`. */
  readonly answerMark?: string;
}

const defaultMark = 'The answer is';

/**
 * A prompt that makes a model write its steps down first: with examples (Wei et al. 2022), or without, with "Let's
 * think step by step." (Kojima et al. 2022).
 */
export function chainOfThoughtPrompt(question: string, options: ChainOfThoughtOptions = {}): string {
  const { examples = [], answerMark = defaultMark, ...rest } = options;
  const solved: Example[] = examples.map(({ question: input, reasoning, answer }) => ({
    input,
    output: ` ${reasoning} ${answerMark} ${answer}.`,
  }));
  const { text } = fewShotPrompt(question, {
    ...rest,
    examples: solved,
    inputPrefix: 'Q: ',
    outputPrefix: '\nA:',
  });
  return examples.length > 0 ? text : `${text} Let's think step by step.`;
}

/** What follows the last answer mark, up to the end of its line, without a final full stop; `undefined` if none. */
export function extractAnswer(text: string, answerMark = defaultMark): string | undefined {
  const at = text.toLowerCase().lastIndexOf(answerMark.toLowerCase());
  if (at < 0) return undefined;
  const line = text.slice(at + answerMark.length).split('\n')[0]!;
  const answer = line.replace(/^[\s:]+/, '').replace(/[\s.]+$/, '');
  return answer === '' ? undefined : answer;
}

export interface SelfConsistencyOptions {
  /** Reasoning paths sampled. Default 20. */
  readonly paths?: number;
  /** Default 0.7. */
  readonly temperature?: number;
  /** Default 256. */
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** The answer in a path; `undefined` when it has none. Default `extractAnswer`. */
  readonly extract?: (path: string) => string | undefined;
}

export interface ConsistentAnswer {
  /** The answer that most paths reach, the first of equals; `undefined` when no path has one. */
  readonly answer: string | undefined;
  /** Share of all paths that reach it */
  readonly confidence: number;
  readonly votes: ReadonlyMap<string, number>;
  readonly paths: readonly { readonly text: string; readonly answer: string | undefined }[];
}

/** Samples several reasoning paths and takes the answer that most of them reach. Wang et al. 2023, Self-Consistency. */
export async function selfConsistency(
  model: LanguageModel,
  prompt: string,
  options: SelfConsistencyOptions = {},
): Promise<ConsistentAnswer> {
  const { paths = 20, temperature = 0.7, maxTokens = 256, extract = extractAnswer, ...rest } = options;
  const [completions] = await model.complete([prompt], { n: paths, temperature, maxTokens, ...rest });
  const read = completions!.map(({ text }) => ({ text, answer: extract(text) }));
  const votes = new Map<string, number>();
  for (const { answer } of read) if (answer !== undefined) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  const best = [...votes].reduce<[string, number] | undefined>(
    (leader, entry) => (leader === undefined || entry[1] > leader[1] ? entry : leader),
    undefined,
  );
  return { answer: best?.[0], confidence: (best?.[1] ?? 0) / Math.max(1, read.length), votes, paths: read };
}
