import { strip, stripStart } from '../python-text.js';
import { mathAnswer } from './math-answer.js';
import type { AnswerFilter } from './task.js';

/** What a regular expression that finds nothing leaves, as lm-evaluation-harness writes it. */
export const NO_MATCH = '[invalid]';

/** Applies filters from the raw completion to the answer. */
export function applyFilters(text: string, filters: readonly AnswerFilter[]): string {
  return filters.reduce(applyFilter, text);
}

function applyFilter(text: string, filter: AnswerFilter): string {
  switch (filter.kind) {
    case 'regex': {
      const matches = [...text.matchAll(new RegExp(filter.pattern, `gu${filter.flags ?? ''}`))];
      const match = filter.pick === 'last' ? matches.at(-1) : matches[0];
      if (!match) return NO_MATCH;
      // The first group that took part, or the whole match where there is none.
      return strip(match.slice(1).find((group) => group !== undefined && group !== '') ?? match[0]);
    }
    case 'remove':
      return filter.patterns.reduce((rest, pattern) => rest.replace(new RegExp(pattern, 'gu'), ''), text);
    case 'reject':
      return filter.words.includes(text.trim().toLowerCase()) ? NO_MATCH : text;
    case 'math':
      return mathAnswer(text);
    case 'trim':
      return text.trim();
    case 'trim-start':
      return stripStart(text);
    case 'lowercase':
      return text.toLowerCase();
    case 'first-line':
      return text.trimStart().split('\n', 1)[0] ?? '';
    default:
      return filter satisfies never;
  }
}

/** The most frequent answer; the earlier of equals (self-consistency, Wang et al. 2023). */
export function majority(answers: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + (answer === NO_MATCH ? 0 : 1));
  let best = answers[0] ?? NO_MATCH;
  for (const [answer, count] of counts) if (count > counts.get(best)!) best = answer;
  return best;
}
