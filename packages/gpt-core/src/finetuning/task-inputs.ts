import type { SourceTokenizer } from '../data/text-source.js';
import { InvalidArgumentError } from '../errors.js';

/** What one example of each task consists of. */
export interface TaskInputs {
  classification: { readonly text: string };
  sentiment: { readonly text: string };
  entailment: { readonly premise: string; readonly hypothesis: string };
  similarity: { readonly first: string; readonly second: string };
  'multiple-choice': { readonly context: string; readonly choices: readonly string[] };
  /** A dialogue, oldest turn first, and replies to choose from. */
  chat: { readonly turns: readonly string[]; readonly choices: readonly string[] };
}

export type TaskKind = keyof TaskInputs;

/** An input and its answer: a label's name, the index of the right choice, or a number to regress on. */
export type TaskExample<Kind extends TaskKind = TaskKind> = TaskInputs[Kind] & {
  readonly label: string | number;
};

/** Ids of the tokens that fine-tuning adds to the vocabulary. */
export interface TaskTokens {
  readonly start: number;
  readonly delimiter: number;
  readonly extract: number;
}

export const taskKinds = [
  'classification',
  'sentiment',
  'entailment',
  'similarity',
  'multiple-choice',
  'chat',
] as const satisfies readonly TaskKind[];

/** Whether the task picks one of its own choices rather than one of fixed labels. */
export function hasChoices(kind: TaskKind): boolean {
  return kind === 'multiple-choice' || kind === 'chat';
}

/**
 * The token sequences of one input, as figure 1 of Improving Language Understanding by Generative Pre-Training
 * draws them; the hidden state at the last token (extract) goes into the head.
 *
 * - classification, sentiment: `start text extract`
 * - entailment: `start premise delimiter hypothesis extract`
 * - similarity: both orders, `start first delimiter second extract` and the reverse
 * - multiple choice: one sequence per choice, `start context delimiter choice extract`
 * - chat: one per reply, `start turn delimiter turn … delimiter reply extract`
 *
 * A sequence longer than `maxLength` loses tokens at the front of its longest part, where the oldest text is;
 * the special tokens always stay.
 *
 * @throws {InvalidArgumentError} when a field is missing, or nothing fits
 */
export function taskSequences<Kind extends TaskKind>(
  kind: Kind,
  input: TaskInputs[Kind],
  tokenizer: SourceTokenizer,
  tokens: TaskTokens,
  maxLength: number,
): { readonly sequences: readonly number[][]; readonly truncated: boolean } {
  let truncated = false;
  const sequence = (...texts: readonly string[]): number[] => {
    const parts = texts.map((text) => Array.from(tokenizer.encode(text)));
    truncated = shorten(parts, maxLength - texts.length - 1) || truncated;
    const out = [tokens.start];
    parts.forEach((part, i) => {
      if (i > 0) out.push(tokens.delimiter);
      out.push(...part);
    });
    return [...out, tokens.extract];
  };
  const sequences = build(kind, input, sequence);
  return { sequences, truncated };
}

function build(
  kind: TaskKind,
  input: TaskInputs[TaskKind],
  sequence: (...texts: readonly string[]) => number[],
): number[][] {
  const text = (field: string): string => {
    const value = (input as unknown as Record<string, unknown>)[field];
    if (typeof value !== 'string')
      throw new InvalidArgumentError(field, value, `a ${kind} example needs this text`);
    return value;
  };
  const texts = (field: string): readonly string[] => {
    const value = (input as unknown as Record<string, unknown>)[field];
    if (!Array.isArray(value) || value.length === 0 || value.some((entry) => typeof entry !== 'string'))
      throw new InvalidArgumentError(field, value, `a ${kind} example needs a list of texts`);
    return value as string[];
  };
  switch (kind) {
    case 'classification':
    case 'sentiment':
      return [sequence(text('text'))];
    case 'entailment':
      return [sequence(text('premise'), text('hypothesis'))];
    case 'similarity':
      return [sequence(text('first'), text('second')), sequence(text('second'), text('first'))];
    case 'multiple-choice':
      return texts('choices').map((choice) => sequence(text('context'), choice));
    case 'chat':
      return texts('choices').map((choice) => sequence(...texts('turns'), choice));
    default:
      throw new InvalidArgumentError('task', kind, `choose one of ${taskKinds.join(', ')}`);
  }
}

/** Drops tokens from the front of the longest part until all fit. */
function shorten(parts: number[][], room: number): boolean {
  if (room < parts.length)
    throw new InvalidArgumentError('maxLength', room, `${parts.length} parts need at least one token each`);
  let excess = parts.reduce((sum, part) => sum + part.length, 0) - room;
  if (excess <= 0) return false;
  while (excess > 0) {
    const longest = parts.reduce((a, b) => (b.length > a.length ? b : a));
    const rest = parts.filter((part) => part !== longest);
    const next = Math.max(1, ...rest.map((part) => part.length));
    const drop = Math.min(excess, Math.max(1, longest.length - next));
    longest.splice(0, drop);
    excess -= drop;
  }
  return true;
}
