import { InvalidOptionError } from '@gpt-lineage/tokenizer-bpe';
import { SpecialTokenError } from './errors.js';
import type { Vocabulary } from './vocabulary.js';

/** `'all'`, or the special tokens that are meant. */
export type SpecialTokenChoice = 'all' | ReadonlySet<string> | readonly string[];

/** Special tokens and the search for them in a text. */
export class SpecialTokens {
  readonly ids: ReadonlyMap<string, number>;
  /** Tokens that are always recognised, chosen or not. */
  readonly always: ReadonlySet<string>;
  readonly #patterns = new Map<string, RegExp>();

  constructor(ids: ReadonlyMap<string, number>, always: ReadonlySet<string> = new Set()) {
    this.ids = ids;
    this.always = always;
  }

  /**
   * The search for the chosen tokens and those always recognised: the leftmost first, of several at one place the
   * longest. `undefined` when there is nothing to look for.
   */
  finder(choice: SpecialTokenChoice | undefined): RegExp | undefined {
    if (choice === undefined && this.always.size === 0) return undefined;
    const chosen = choice === 'all' ? [...this.ids.keys()] : [...(choice ?? []), ...this.always];
    for (const token of chosen) {
      if (!this.ids.has(token)) {
        throw new InvalidOptionError(
          `allowedSpecial: ${JSON.stringify(token)} is not a special token; there are ${[...this.ids.keys()].join(' ')}`,
        );
      }
    }
    return this.#pattern(chosen);
  }

  /** @throws {SpecialTokenError} when the text holds a token of `disallowed` that is not of `allowed` */
  refuse(
    text: string,
    disallowed: SpecialTokenChoice | undefined,
    allowed: SpecialTokenChoice | undefined,
  ): void {
    if (disallowed === undefined || allowed === 'all') return;
    const allowedSet = new Set(allowed);
    const tokens = disallowed === 'all' ? [...this.ids.keys()] : [...disallowed];
    const finder = this.#pattern(tokens.filter((token) => !allowedSet.has(token)));
    if (finder === undefined) return;
    finder.lastIndex = 0;
    const match = finder.exec(text);
    if (match !== null) throw new SpecialTokenError(match[0]);
  }

  #pattern(tokens: readonly string[]): RegExp | undefined {
    if (tokens.length === 0) return undefined;
    const sorted = [...new Set(tokens)].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
    const source = sorted.map((token) => token.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|');
    let pattern = this.#patterns.get(source);
    if (pattern === undefined) {
      pattern = new RegExp(source, 'g');
      if (this.#patterns.size > 16) this.#patterns.clear();
      this.#patterns.set(source, pattern);
    }
    return pattern;
  }
}

/** @throws {InvalidVocabularyError} an id that is no whole number, or that another token has */
export function specialTokenMap(
  tokens: Readonly<Record<string, number>> | ReadonlyMap<string, number>,
  vocabulary: Vocabulary,
): Map<string, number> {
  const map = new Map(tokens instanceof Map ? tokens : Object.entries(tokens));
  const seen = new Map<number, string>();
  for (const [token, id] of map) {
    const { offsets } = vocabulary;
    const taken = seen.has(id) || (id < offsets.length - 1 && offsets[id + 1]! > offsets[id]!);
    if (!Number.isInteger(id) || id < 0 || taken || token === '') {
      const reason = taken ? 'which another token has' : 'expected a whole number from 0';
      throw new InvalidOptionError(
        `specialTokens: ${JSON.stringify(token)} has the id ${String(id)}, ${reason}`,
      );
    }
    seen.set(id, token);
  }
  return map;
}
