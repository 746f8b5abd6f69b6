import { DataError } from '../data/errors.js';
import { requireTrainedTokens, type TrainingExample } from '../data/packing.js';
import { utf8Length } from '../data/text-source.js';

/** What masking needs of a tokenizer. */
export interface MaskTokenizer {
  encode(text: string): ArrayLike<number>;
  decode(tokenIds: readonly number[]): string;
  decodeBytes?(tokenIds: readonly number[]): Uint8Array;
  readonly eosTokenId?: number | null;
}

/** A piece of a rendered text, and whether the model learns to write it. */
export interface TextSegment {
  readonly text: string;
  readonly trained: boolean;
}

/**
 * Tokens of consecutive segments with a mask over the trained ones. The text is tokenised as a whole, so that the
 * ids are those the model meets when it generates; a token that straddles a border belongs to the segment in which
 * it begins. An end token is appended and trained when the last segment is.
 *
 * @param options `appendEnd`: default whether the tokenizer has an end token
 * @throws {DataError} when no token would be trained
 */
export function maskedExample(
  tokenizer: MaskTokenizer,
  segments: readonly TextSegment[],
  options: { appendEnd?: boolean } = {},
): TrainingExample {
  const text = segments.map((segment) => segment.text).join('');
  const tokenIds = Array.from(tokenizer.encode(text));
  const starts = tokenStarts(tokenizer, tokenIds, utf8Length(text));
  const lossMask = starts ? maskByStart(segments, starts) : undefined;
  const example = lossMask ? { tokenIds, lossMask } : bySegment(tokenizer, segments);
  const end = tokenizer.eosTokenId ?? null;
  const appendEnd = options.appendEnd ?? end !== null;
  if (appendEnd && end === null)
    throw new DataError('The tokenizer has no end token to append: set appendEnd to false.');
  const out = {
    tokenIds: Array.from(example.tokenIds),
    lossMask: Array.from(example.lossMask),
  };
  if (appendEnd) {
    out.tokenIds.push(end!);
    out.lossMask.push(segments.at(-1)?.trained ? 1 : 0);
  }
  requireTrainedTokens(out, 0);
  return out;
}

/** A prompt that is only read and a completion that is learned. @throws {DataError} for an empty completion */
export function completionExample(
  tokenizer: MaskTokenizer,
  prompt: string,
  completion: string,
  options: { appendEnd?: boolean } = {},
): TrainingExample {
  if (completion === '') throw new DataError('The completion is empty: there is nothing to train on.');
  const segments = [
    { text: prompt, trained: false },
    { text: completion, trained: true },
  ];
  return maskedExample(tokenizer, segments, options);
}

/** One turn of a conversation. */
export interface ChatTurn {
  readonly role: string;
  readonly content: string;
}

/** How a turn is written; only `content` and `after` of an assistant's turn are learned. */
export interface TurnTemplate {
  /** Before the content: tells the role. */
  before(role: string): string;
  /** After the content: ends the turn. */
  after(role: string): string;
}

/** ChatML: `<|im_start|>role\n…<|im_end|>\n`. */
export const chatMLTurns: TurnTemplate = {
  before: (role) => `<|im_start|>${role}\n`,
  after: () => '<|im_end|>\n',
};

/** The form of the HH-RLHF dialogues: `\n\nHuman: …\n\nAssistant: …`. */
export const humanAssistantTurns: TurnTemplate = {
  before: (role) => `\n\n${role === 'assistant' ? 'Assistant' : role === 'user' ? 'Human' : 'System'}: `,
  after: () => '',
};

/**
 * A conversation of which only the assistant's words are learned.
 *
 * @throws {DataError} when the assistant says nothing
 */
export function chatExample(
  tokenizer: MaskTokenizer,
  turns: readonly ChatTurn[],
  template: TurnTemplate = chatMLTurns,
  options: { appendEnd?: boolean } = {},
): TrainingExample {
  if (!turns.some(({ role, content }) => role === 'assistant' && content !== ''))
    throw new DataError('The conversation has no assistant turn: there is nothing to train on.');
  const segments = turns.flatMap(({ role, content }) => [
    { text: template.before(role), trained: false },
    { text: content + template.after(role), trained: role === 'assistant' },
  ]);
  return maskedExample(tokenizer, segments, options);
}

/** Byte at which each token begins; `undefined` when the tokens do not spell the text byte for byte. */
function tokenStarts(
  tokenizer: MaskTokenizer,
  tokenIds: readonly number[],
  bytes: number,
): number[] | undefined {
  const starts: number[] = [];
  let at = 0;
  for (const id of tokenIds) {
    starts.push(at);
    at += tokenizer.decodeBytes ? tokenizer.decodeBytes([id]).length : utf8Length(tokenizer.decode([id]));
  }
  return at === bytes ? starts : undefined;
}

function maskByStart(segments: readonly TextSegment[], starts: readonly number[]): number[] {
  let segment = 0;
  let end = utf8Length(segments[0]?.text ?? '');
  return starts.map((start) => {
    while (start >= end && segment + 1 < segments.length) end += utf8Length(segments[++segment]!.text);
    return segments[segment]!.trained ? 1 : 0;
  });
}

/** For tokenizers that change the text (GPT-1's lower-cases it): each segment by itself. */
function bySegment(tokenizer: MaskTokenizer, segments: readonly TextSegment[]): TrainingExample {
  const tokenIds: number[] = [];
  const lossMask: number[] = [];
  for (const { text, trained } of segments)
    for (const id of Array.from(tokenizer.encode(text))) {
      tokenIds.push(id);
      lossMask.push(trained ? 1 : 0);
    }
  return { tokenIds, lossMask };
}
