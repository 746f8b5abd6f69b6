import { InvalidArgumentError } from '../errors.js';
import { uniform, uniformInt } from './random.js';

/** Ids of the sentinels that mark the parts of a rearranged document. */
export interface FillTokens {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

export interface FillOptions {
  readonly tokens: FillTokens;
  /** Share of the documents that is rearranged. Default 0.5. */
  readonly rate?: number;
  /** Share of those written suffix first (SPM); the others are prefix first (PSM). Default 0.5. */
  readonly suffixFirst?: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * A document as training reads it for infilling: as it is, or cut at two random characters and rearranged so that
 * the middle comes last. Bavarian et al. 2022, Efficient Training of Language Models to Fill in the Middle, section 3:
 *
 * - PSM: `prefix-sentinel prefix suffix-sentinel suffix middle-sentinel middle`
 * - SPM: `prefix-sentinel suffix-sentinel suffix middle-sentinel prefix middle`
 *
 * The choice is a function of `seed` and `index`.
 *
 * @param encode the tokenizer, for each part by itself
 * @throws {InvalidArgumentError} for a share outside of 0 to 1
 */
export function fillInTheMiddle(
  text: string,
  index: number,
  encode: (text: string) => ArrayLike<number>,
  options: FillOptions,
): number[] {
  const { tokens, rate = 0.5, suffixFirst = 0.5, seed = 0 } = options;
  for (const [name, share] of Object.entries({ rate, suffixFirst }))
    if (!(share >= 0 && share <= 1)) throw new InvalidArgumentError(name, share, 'give a share from 0 to 1');
  if (uniform(seed, index, 31) >= rate) return Array.from(encode(text));
  // Code points, so that no cut falls inside a surrogate pair.
  const characters = Array.from(text);
  const cuts = [32, 33].map((stream) => uniformInt(characters.length + 1, seed, index, stream)).sort((a, b) => a - b);
  const part = (from: number, to?: number) => Array.from(encode(characters.slice(from, to).join('')));
  const [prefix, middle, suffix] = [part(0, cuts[0]), part(cuts[0]!, cuts[1]), part(cuts[1]!)];
  return uniform(seed, index, 34) < suffixFirst
    ? [tokens.prefix, tokens.suffix, ...suffix, tokens.middle, ...prefix, ...middle]
    : [tokens.prefix, ...prefix, tokens.suffix, ...suffix, tokens.middle, ...middle];
}
