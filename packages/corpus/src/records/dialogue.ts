import { ConfigError } from '../errors.js';
import {
  documentConverter,
  type FieldNames,
  identity,
  type RecordConverter,
  RecordProblem,
} from './record-text.js';

/** One turn. */
interface Turn {
  role: string;
  content: string;
}

const roleNames: Readonly<Record<string, string>> = {
  system: 'System',
  user: 'User',
  human: 'User',
  prompter: 'User',
  assistant: 'Assistant',
  gpt: 'Assistant',
  bot: 'Assistant',
  tool: 'Tool',
};

/**
 * Chats as text: `messages` of `{ role, content }`, `conversations` of `{ from, value }`, or a transcript string with
 * `Human:` and `Assistant:`. Option `style`: `plain` (default; `User: …`, a blank line between turns) or `chatml`.
 */
export function chatConverter(names: FieldNames, options: Record<string, unknown>): RecordConverter {
  const style = options.style ?? 'plain';
  if (style !== 'plain' && style !== 'chatml') {
    throw new ConfigError('kindOptions.style', `must be 'plain' or 'chatml', received '${String(style)}'`);
  }
  return (fields) => {
    const turns = turnsOf(fields, names.text);
    const text = turns
      .map(({ role, content }) =>
        style === 'chatml'
          ? `<|im_start|>${role}\n${content}<|im_end|>`
          : `${roleNames[role.toLowerCase()] ?? role}: ${content}`,
      )
      .join(style === 'chatml' ? '\n' : '\n\n');
    return [{ text, ...identity(fields, names) }];
  };
}

function turnsOf(fields: Record<string, unknown>, name: string | undefined): Turn[] {
  const field =
    name ??
    ['messages', 'conversations', 'conversation', 'dialogue', 'chosen', 'text'].find((each) => fields[each]);
  const value = field === undefined ? undefined : fields[field];
  if (typeof value === 'string') return parseTranscript(value);
  if (!Array.isArray(value) || value.length === 0) {
    throw new RecordProblem(field ?? 'messages', 'must be a non-empty array of messages, or a transcript');
  }
  return value.map((each: unknown, i) => {
    const message = (each ?? {}) as Record<string, unknown>;
    const role = message.role ?? message.from ?? message.speaker;
    const content = message.content ?? message.value ?? message.text;
    if (typeof role !== 'string') throw new RecordProblem(`${field}.${i}.role`, 'must be a string');
    if (typeof content !== 'string') throw new RecordProblem(`${field}.${i}.content`, 'must be a string');
    return { role, content: content.trim() };
  });
}

const turnMark = /(?:^|\n\n)(Human|User|Assistant|System): ?/;

/** `\n\nHuman: … \n\nAssistant: …` to turns; a text without marks is one turn of nobody. */
function parseTranscript(text: string): Turn[] {
  const parts = text.split(new RegExp(turnMark.source, 'g'));
  if (parts.length < 3)
    throw new RecordProblem('text', 'no turns found; a transcript has lines as "Human: …"');
  const turns: Turn[] = [];
  for (let i = 1; i < parts.length; i += 2) {
    turns.push({
      role: parts[i] === 'Human' ? 'user' : parts[i]!.toLowerCase(),
      content: parts[i + 1]!.trim(),
    });
  }
  return turns;
}

const timing =
  /^\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})/;
/** A pause this long between two lines is a new scene. */
const sceneGapSeconds = 10;

/**
 * Subtitles (SubRip, WebVTT) as dialogue: one line per speech, a blank line per scene. Numbers, times, markup, sounds
 * in brackets and lines of songs go; a speech continued over several cues is joined.
 */
export function subtitleConverter(names: FieldNames): RecordConverter {
  const base = documentConverter(names);
  return (fields, context) =>
    base(fields, context).map((record) => ({ ...record, text: subtitlesToText(record.text) }));
}

export function subtitlesToText(subtitles: string): string {
  const lines: string[] = [];
  let lastEnd = Number.NEGATIVE_INFINITY;
  for (const block of subtitles.replace(/\r\n?/g, '\n').split(/\n\s*\n/)) {
    const rows = block.split('\n');
    const at = rows.findIndex((row) => timing.test(row));
    if (at < 0) continue;
    const match = timing.exec(rows[at]!)!;
    const seconds = (h: number) =>
      Number(match[h] ?? 0) * 3600 +
      Number(match[h + 1]) * 60 +
      Number(match[h + 2]) +
      Number(`0.${match[h + 3]}`);
    const [start, end] = [seconds(1), seconds(5)];
    const speeches = speechesOf(rows.slice(at + 1));
    if (speeches.length === 0) continue;
    if (start - lastEnd > sceneGapSeconds && lines.length > 0) lines.push('');
    lastEnd = end;
    for (const speech of speeches) {
      const last = lines.at(-1);
      if (speech === last) continue;
      // Without an end of sentence before and with a small letter here, the speech goes on.
      if (last && !/[.!?…:"”)]$/.test(last) && /^[\p{Ll}…]/u.test(speech))
        lines[lines.length - 1] = `${last} ${speech}`;
      else lines.push(speech);
    }
  }
  return lines.join('\n');
}

function speechesOf(rows: readonly string[]): string[] {
  const cleaned = rows
    .map((row) =>
      row
        .replace(/<[^>]{0,100}>|\{\\[^}]{0,100}\}/g, '')
        .replace(/\[[^\]]{0,200}\]|\([A-Z][^)a-z]{0,200}\)/g, '')
        .trim(),
    )
    .filter((row) => row !== '' && !/[♪♫#]/.test(row));
  const speeches: string[] = [];
  for (const row of cleaned) {
    const dashed = /^[-–—]\s*/.test(row);
    const text = row.replace(/^[-–—]\s*/, '');
    if (text === '') continue;
    if (dashed || speeches.length === 0) speeches.push(text);
    else speeches[speeches.length - 1] += ` ${text}`;
  }
  return speeches;
}
