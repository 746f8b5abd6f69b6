import { convert as htmlToText } from 'html-to-text';
import { type FieldNames, identity, type RecordConverter, RecordProblem } from './record-text.js';

interface Answer {
  text: string;
  score: number;
  accepted: boolean;
}

/**
 * Question-and-answer threads, as Stack Exchange publishes them: `title`, `body` (or `question`) and `answers` with
 * `body` (or `text`), `score` and `is_accepted`. HTML becomes text, code keeps its layout. The accepted answer comes
 * first, then by score.
 *
 * Options: `minScore` (default 0) leaves answers below it out, `maxAnswers` (default 3).
 */
export function stackExchangeConverter(names: FieldNames, options: Record<string, unknown>): RecordConverter {
  const minScore = typeof options.minScore === 'number' ? options.minScore : 0;
  const maxAnswers = typeof options.maxAnswers === 'number' ? options.maxAnswers : 3;
  return (fields) => {
    const title = firstString(fields, ['title', 'Title']) ?? '';
    const body = firstString(fields, [
      ...(names.text ? [names.text] : []),
      'body',
      'question',
      'Body',
      'text',
    ]);
    if (body === undefined && title === '') {
      throw new RecordProblem('body', 'a question needs a title or a body (or question)');
    }
    const answers = answersOf(fields)
      .filter(({ score, accepted }) => accepted || score >= minScore)
      .sort((a, b) => Number(b.accepted) - Number(a.accepted) || b.score - a.score)
      .slice(0, maxAnswers);
    const question = [title, plain(body ?? '')].filter((part) => part !== '').join('\n\n');
    const text = [`Question: ${question}`, ...answers.map((answer) => `Answer: ${plain(answer.text)}`)].join(
      '\n\n',
    );
    const id = firstString(fields, ['question_id', 'qid', 'Id']);
    return [{ text, ...(id !== undefined && { id }), ...identity(fields, names) }];
  };
}

function answersOf(fields: Record<string, unknown>): Answer[] {
  const list = fields.answers ?? [];
  if (!Array.isArray(list)) throw new RecordProblem('answers', 'must be an array');
  return list.map((each: unknown, i) => {
    const answer = (typeof each === 'string' ? { text: each } : each) as Record<string, unknown> | null;
    const text = answer === null ? undefined : firstString(answer, ['body', 'text', 'answer', 'Body']);
    if (text === undefined)
      throw new RecordProblem(`answers.${i}`, 'must be a string or have a body (or text)');
    const score = [answer!.score, answer!.pm_score, answer!.Score].find(
      (value) => typeof value === 'number',
    ) as number | undefined;
    return { text, score: score ?? 0, accepted: answer!.is_accepted === true || answer!.selected === true };
  });
}

function firstString(fields: Record<string, unknown>, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
  }
  return undefined;
}

/** Text without a tag stays as it is: `a < b` is no markup. */
function plain(text: string): string {
  if (!/<\/?[a-z][^>]*>/i.test(text)) return text.trim();
  return htmlToText(text, {
    wordwrap: false,
    selectors: [
      { selector: 'a', options: { ignoreHref: true } },
      { selector: 'img', format: 'skip' },
    ],
  }).trim();
}
