import { InvalidArgumentError } from '../errors.js';

/** One solved example. */
export interface Example {
  readonly input: string;
  readonly output: string;
}

export interface FewShotOptions {
  /** Stands before everything. Default: none. */
  readonly instruction?: string;
  /** Solved examples, the most important last. Default: none (zero-shot). */
  readonly examples?: readonly Example[];
  /** Before each input. Default `''`. */
  readonly inputPrefix?: string;
  /** Between input and output. Default a line break. */
  readonly outputPrefix?: string;
  /** Between instruction, examples and question. Default an empty line. */
  readonly separator?: string;
  /** Most tokens of the prompt; with `count`. Oldest examples are dropped until it fits. Default: no limit. */
  readonly maxTokens?: number;
  /** Counts tokens. Required with `maxTokens`. */
  readonly count?: (text: string) => number;
}

export interface FewShotPrompt {
  readonly text: string;
  /** Examples in the prompt */
  readonly shots: number;
  /** Examples dropped to fit */
  readonly dropped: number;
}

/**
 * A zero-, one- or few-shot prompt (Brown et al. 2020, section 2): instruction, solved examples, the question, and
 * nothing after its output prefix.
 *
 * @throws {InvalidArgumentError} instruction and question alone exceed `maxTokens`
 */
export function fewShotPrompt(question: string, options: FewShotOptions = {}): FewShotPrompt {
  const {
    instruction,
    examples = [],
    inputPrefix = '',
    outputPrefix = '\n',
    separator = '\n\n',
    maxTokens = Number.POSITIVE_INFINITY,
    count,
  } = options;
  if (maxTokens !== Number.POSITIVE_INFINITY && !count) {
    throw new InvalidArgumentError('count', count, 'maxTokens needs a function that counts tokens');
  }
  const solved = examples.map(({ input, output }) => `${inputPrefix}${input}${outputPrefix}${output}`);
  // A trailing space would end the prompt in a token that the model has rarely seen before an answer.
  const asked = `${inputPrefix}${question}${outputPrefix}`.replace(/ +$/, '');
  for (let dropped = 0; dropped <= solved.length; dropped++) {
    const parts = [...(instruction ? [instruction] : []), ...solved.slice(dropped), asked];
    const text = parts.join(separator);
    if (!count || count(text) <= maxTokens) return { text, shots: solved.length - dropped, dropped };
  }
  throw new InvalidArgumentError('maxTokens', maxTokens, 'instruction and question alone are longer');
}
