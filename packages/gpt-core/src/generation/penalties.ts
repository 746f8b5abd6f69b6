import { InvalidArgumentError } from '../errors.js';
import type { LogitsProcessor } from './logits-processor.js';

/**
 * Makes every token of prompt and text less likely, once each: a positive score is divided by `penalty`, a negative
 * one multiplied. Keskar et al. 2019 (CTRL), section 4.1.
 */
export function repetitionPenalty(penalty: number): LogitsProcessor {
  if (!(penalty > 0))
    throw new InvalidArgumentError('repetitionPenalty', penalty, 'must be above 0; 1 does nothing');
  return (scores, { tokenIds }) => {
    if (penalty === 1) return;
    for (const id of new Set(tokenIds)) {
      const score = scores[id]!;
      scores[id] = score < 0 ? score * penalty : score / penalty;
    }
  };
}

/**
 * OpenAI's penalties on what was generated so far, without the prompt: `presence` once for every token that occurred,
 * `frequency` for each time that it did.
 */
export function occurrencePenalties(presence: number, frequency: number): LogitsProcessor {
  for (const [name, value] of Object.entries({ presencePenalty: presence, frequencyPenalty: frequency })) {
    if (!Number.isFinite(value)) throw new InvalidArgumentError(name, value, 'must be a finite number');
  }
  return (scores, { tokenIds, promptLength }) => {
    const counts = new Map<number, number>();
    for (let i = promptLength; i < tokenIds.length; i++) {
      counts.set(tokenIds[i]!, (counts.get(tokenIds[i]!) ?? 0) + 1);
    }
    for (const [id, count] of counts) scores[id] = scores[id]! - presence - frequency * count;
  };
}

/** Removes tokens that would complete an n-gram which prompt and text already have. */
export function noRepeatNgram(size: number): LogitsProcessor {
  if (!Number.isInteger(size) || size < 1) {
    throw new InvalidArgumentError('noRepeatNgramSize', size, 'must be a whole number of at least 1');
  }
  return (scores, { tokenIds }) => {
    const start = tokenIds.length - (size - 1);
    if (start < 0) return;
    for (let i = 0; i + size <= tokenIds.length; i++) {
      let equal = true;
      for (let k = 0; k < size - 1 && equal; k++) equal = tokenIds[i + k] === tokenIds[start + k];
      if (equal) scores[tokenIds[i + size - 1]!] = Number.NEGATIVE_INFINITY;
    }
  };
}

/** Removes the last token of each forbidden sequence when the tokens before it stand at the end of the text. */
export function badWords(sequences: readonly (readonly number[])[]): LogitsProcessor {
  const empty = sequences.findIndex((sequence) => sequence.length === 0);
  if (empty >= 0)
    throw new InvalidArgumentError(`badWords[${empty}]`, [], 'a sequence needs at least one token');
  return (scores, { tokenIds }) => {
    for (const sequence of sequences) {
      const before = sequence.length - 1;
      if (before > tokenIds.length) continue;
      const offset = tokenIds.length - before;
      let equal = true;
      for (let k = 0; k < before && equal; k++) equal = tokenIds[offset + k] === sequence[k];
      if (equal) scores[sequence[before]!] = Number.NEGATIVE_INFINITY;
    }
  };
}

/** Adds to the scores of single tokens; -100 practically removes one, 100 practically forces it (OpenAI). */
export function logitBias(
  bias: Readonly<Record<number, number>> | ReadonlyMap<number, number>,
): LogitsProcessor {
  const entries =
    bias instanceof Map ? [...bias] : Object.entries(bias).map(([id, add]) => [Number(id), add] as const);
  for (const [id, add] of entries) {
    if (!Number.isInteger(id) || id < 0)
      throw new InvalidArgumentError('logitBias', id, 'keys are token ids');
    if (Number.isNaN(add)) throw new InvalidArgumentError(`logitBias[${id}]`, add, 'must be a number');
  }
  return (scores) => {
    for (const [id, add] of entries) {
      if (id >= scores.length) {
        throw new InvalidArgumentError('logitBias', id, `the vocabulary ends at ${scores.length - 1}`);
      }
      scores[id] = scores[id]! + add;
    }
  };
}

/** Removes the end tokens until the whole sequence has `minLength` tokens. */
export function minLength(length: number, eosTokenIds: readonly number[]): LogitsProcessor {
  return (scores, { tokenIds }) => {
    if (tokenIds.length < length) for (const id of eosTokenIds) scores[id] = Number.NEGATIVE_INFINITY;
  };
}

/** Removes the end tokens until `count` tokens were generated. */
export function minTokens(count: number, eosTokenIds: readonly number[]): LogitsProcessor {
  return (scores, { tokenIds, promptLength }) => {
    if (tokenIds.length - promptLength < count) {
      for (const id of eosTokenIds) scores[id] = Number.NEGATIVE_INFINITY;
    }
  };
}
