import { InvalidArgumentError } from '../errors.js';
import type { GPT } from '../model/gpt.js';
import { openSession } from './open-session.js';
import { argmax } from './probabilities.js';
import type { GeneratedToken, Sequence } from './sequence.js';
import type { DecodeSession } from './session.js';

/** Guesses the next tokens; a wrong guess costs time and nothing else. */
export interface Drafter {
  propose(tokenIds: readonly number[], count: number): Promise<number[]>;
  dispose(): void;
}

/**
 * Guesses with a smaller model of the same vocabulary.
 *
 * @throws {InvalidArgumentError} another vocabulary
 */
export function modelDrafter(draft: GPT, target: GPT, capacity: number): Drafter {
  if (draft.config.vocabSize !== target.config.vocabSize) {
    throw new InvalidArgumentError(
      'draft.config.vocabSize',
      draft.config.vocabSize,
      `the draft model must have the vocabulary of the model (${target.config.vocabSize})`,
    );
  }
  const room = Math.min(capacity, draft.config.contextLength);
  let session: DecodeSession | undefined;
  let read: number[] = [];
  return {
    async propose(tokenIds, count) {
      if (tokenIds.length + count > room) return [];
      session ??= openSession(draft, { capacity: room, rows: 1, slack: room });
      let common = 0;
      while (common < read.length && read[common] === tokenIds[common]) common += 1;
      // One token at least is read again: its logits are what the first guess comes from.
      common = Math.min(common, tokenIds.length - 1);
      if (common < read.length) session.rewind(read.length - common);
      let logits = await session.read([tokenIds.slice(common)]);
      read = [...tokenIds];
      const guesses: number[] = [];
      for (;;) {
        const guess = argmax(logits[0]![0]!);
        guesses.push(guess);
        if (guesses.length === count) return guesses;
        logits = await session.read([[guess]]);
        read.push(guess);
      }
    },
    dispose: () => session?.dispose(),
  };
}

/** Guesses that what followed the last two tokens before follows them again: for summaries, code, edits. */
export function lookupDrafter(): Drafter {
  return {
    async propose(tokenIds, count) {
      const last = tokenIds.length - 1;
      for (let at = last - 1; at > 0; at--) {
        if (tokenIds[at] === tokenIds[last] && tokenIds[at - 1] === tokenIds[last - 1]) {
          return tokenIds.slice(at + 1, at + 1 + count);
        }
      }
      return [];
    },
    dispose: () => {},
  };
}

/**
 * Decoding with guesses (Leviathan et al. 2023): the model reads several guessed tokens in one pass, and every token is
 * still chosen from its own logits with the sequence's own random numbers, so the text is the one that plain decoding
 * gives.
 *
 * @returns logits of the next token when the context has no more room for guesses; `undefined` when the sequence ended
 */
export async function* speculate(
  session: DecodeSession,
  sequence: Sequence,
  logits: Float32Array,
  drafter: Drafter,
  draftTokens: number,
  room: number,
): AsyncGenerator<GeneratedToken, Float32Array | undefined, undefined> {
  let next = logits;
  yield sequence.push(sequence.choose(sequence.process(next)), next);
  while (sequence.finishReason === undefined) {
    const { tokenIds } = sequence;
    // Should all guesses be right, one token more is chosen, and has to be read after them.
    const count = Math.min(draftTokens, room - tokenIds.length - 1);
    if (count <= 0) return (await session.read([[tokenIds.at(-1)!]]))[0]![0];
    const guesses = await drafter.propose(tokenIds, count);
    const [rows] = await session.read([[tokenIds.at(-1)!, ...guesses]], true);
    let right = 0;
    for (const row of rows!) {
      next = row;
      const tokenId = sequence.choose(sequence.process(row));
      const token = sequence.push(tokenId, row);
      yield token;
      if (sequence.finishReason !== undefined || tokenId !== guesses[right]) break;
      right += 1;
    }
    if (sequence.finishReason === undefined) session.rewind(guesses.length - right);
  }
  return undefined;
}
