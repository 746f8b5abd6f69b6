import { RuleOptionError } from '../errors.js';
import type { Rule, RuleInput } from './rule.js';

/** 1 when the completion matches (or, with `forbid`, does not match) the pattern. */
export function regexRule(pattern: RegExp, { name = `regex ${pattern.source}`, forbid = false } = {}): Rule {
  // A sticky or global expression remembers where it stopped; a copy without these flags always starts over.
  const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/gu, ''));
  return { name, score: ({ completion }) => Number(stateless.test(completion) !== forbid) };
}

/**
 * 1 inside of [`min`, `max`], falling linearly to 0 over `slack` outside of it.
 *
 * @param unit `'characters'` (default) or white-space `'words'`
 */
export function lengthRule({
  min = 0,
  max = Number.POSITIVE_INFINITY,
  slack = 0,
  unit = 'characters' as 'characters' | 'words',
  name = 'length',
}): Rule {
  if (!(min >= 0 && max >= min)) throw new RuleOptionError('max', max, `give a number from min (${min}) up`);
  return {
    name,
    score({ completion }) {
      const length =
        unit === 'words' ? completion.split(/\s+/u).filter(Boolean).length : Array.from(completion).length;
      const excess = Math.max(min - length, length - max, 0);
      if (excess === 0) return 1;
      return slack > 0 ? Math.max(0, 1 - excess / slack) : 0;
    },
  };
}

/** 1 when the whole completion is JSON and `check` (if given) accepts the value. */
export function jsonRule({ name = 'json', check = (_value: unknown): boolean => true } = {}): Rule {
  return {
    name,
    score({ completion }) {
      try {
        return Number(check(JSON.parse(completion)));
      } catch {
        return 0;
      }
    },
  };
}

/** 1 when the completion is exactly `<think>…</think>` followed by an answer, each tag once. */
export function thinkFormatRule({ name = 'think format', tag = 'think' } = {}): Rule {
  return {
    name,
    score({ completion }) {
      const [open, close] = [`<${tag}>`, `</${tag}>`];
      const text = completion.trim();
      const parts = text.split(close);
      const right =
        text.startsWith(open) &&
        text.split(open).length === 2 &&
        parts.length === 2 &&
        parts[1]!.trim() !== '';
      return Number(right);
    },
  };
}

/** 1 minus the share of n-grams of words that are repeats: 1 for varied text, near 0 for a loop. */
export function repetitionRule({ name = 'repetition', n = 3 } = {}): Rule {
  return {
    name,
    score({ completion }) {
      const words = completion.toLowerCase().split(/\s+/u).filter(Boolean);
      const total = words.length - n + 1;
      if (total < 1) return 1;
      const distinct = new Set(
        Array.from({ length: total }, (_, start) => words.slice(start, start + n).join(' ')),
      );
      return distinct.size / total;
    },
  };
}

/** 1 when the completion equals one of the record's answers after `normalise`. */
export function exactMatchRule({
  name = 'exact match',
  field = 'answer',
  normalise = (text: string) => text.trim().toLowerCase(),
} = {}): Rule {
  return {
    name,
    score(input) {
      const answers = fieldOf(input, field);
      if (answers === undefined) return undefined;
      const given = normalise(input.completion);
      return Number([answers].flat().some((answer) => normalise(String(answer)) === given));
    },
  };
}

/** The last number of a text; with `marker` (GSM8K's `####`), the first one after its last occurrence. */
export function extractNumber(text: string, marker?: string): number | undefined {
  const at = marker === undefined ? -1 : text.lastIndexOf(marker);
  if (marker !== undefined && at < 0) return undefined;
  const part = marker === undefined ? text : text.slice(at + marker.length);
  const numbers = part.match(/-?\$?\d[\d,]*(?:\.\d+)?/gu);
  const found = marker === undefined ? numbers?.at(-1) : numbers?.[0];
  return found === undefined ? undefined : Number(found.replaceAll(/[$,]/gu, ''));
}

/** 1 when the completion's number equals the reference's, within `tolerance` (relative). */
export function numericRule({
  name = 'numeric answer',
  field = 'answer',
  marker = undefined as string | undefined,
  tolerance = 1e-6,
} = {}): Rule {
  return {
    name,
    score(input) {
      const reference = fieldOf(input, field);
      if (reference === undefined) return undefined;
      const wanted = typeof reference === 'number' ? reference : extractNumber(String(reference), marker);
      const given = extractNumber(input.completion, marker);
      if (wanted === undefined || given === undefined) return 0;
      return Number(Math.abs(given - wanted) <= tolerance * Math.max(1, Math.abs(wanted)));
    },
  };
}

/**
 * 1 when the program passes its tests. How a program is run is the caller's choice: give a sandbox, never `eval`.
 *
 * @param run resolves to whether the completion passes; `@gpt-lineage/eval`'s sandbox is one
 */
export function unitTestRule(
  run: (completion: string, input: RuleInput) => Promise<boolean>,
  { name = 'unit tests' } = {},
): Rule {
  return { name, score: async (input) => Number(await run(input.completion, input)) };
}

const fieldOf = ({ record }: RuleInput, field: string): unknown => record?.[field];
