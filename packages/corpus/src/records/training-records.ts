import { z } from 'zod';
import { ConfigError, RecordError } from '../errors.js';
import { expandInputs } from '../read/input-files.js';
import { readRecords } from '../read/record-stream.js';

const content = z.union([
  z.string(),
  z.array(
    z.union([
      z.object({ type: z.literal('text'), text: z.string() }),
      z.looseObject({ type: z.enum(['image', 'image_url']) }),
    ]),
  ),
]);
const message = z.object({ role: z.enum(['system', 'user', 'assistant', 'tool']), content });
const messages = z.array(message).min(1, 'must hold at least one message');
/** A text or a conversation. */
const side = z.union([z.string().min(1, 'must not be empty'), messages]);

const schemas = {
  text: z.object({ text: z.string().min(1, 'must not be empty') }),
  messages: z.object({
    messages: messages.refine((list) => list.some(({ role }) => role === 'assistant'), {
      message: 'must hold an assistant message, or there is nothing to learn from',
    }),
  }),
  'prompt-completion': z.object({ prompt: side, completion: side }),
  preference: z
    .object({ prompt: side.optional(), chosen: side, rejected: side })
    .refine(({ chosen, rejected }) => JSON.stringify(chosen) !== JSON.stringify(rejected), {
      message: 'chosen and rejected are the same',
      path: ['rejected'],
    }),
  ranked: z
    .object({
      prompt: side,
      completions: z.array(side).min(2, 'needs at least two completions'),
      ranks: z.array(z.number().int().min(1)),
    })
    .refine(({ completions, ranks }) => completions.length === ranks.length, {
      message: 'must have one rank (1 is best, ties allowed) per completion',
      path: ['ranks'],
    }),
  unpaired: z.object({ prompt: side, completion: side, label: z.boolean() }),
  'prompt-only': z.object({ prompt: side }),
} as const;

/** Formats of training records, named as TRL names its data set types. */
export type TrainingFormat = keyof typeof schemas;
export type TrainingRecord<F extends TrainingFormat = TrainingFormat> = z.infer<(typeof schemas)[F]>;

/** A validated record and where it stands. */
export interface LocatedRecord<F extends TrainingFormat = TrainingFormat> {
  format: F;
  record: TrainingRecord<F>;
  file: string;
  line: number;
}

/** The format that the keys of a record belong to, or undefined. */
export function detectFormat(record: Record<string, unknown>): TrainingFormat | undefined {
  const has = (...names: string[]) => names.every((name) => name in record);
  if (has('chosen', 'rejected')) return 'preference';
  if (has('completions', 'ranks')) return 'ranked';
  if (has('prompt', 'completion', 'label')) return 'unpaired';
  if (has('prompt', 'completion')) return 'prompt-completion';
  if (has('messages')) return 'messages';
  if (has('prompt')) return 'prompt-only';
  if (has('text')) return 'text';
  return undefined;
}

export interface ReadTrainingOptions<F extends TrainingFormat = TrainingFormat> {
  /** Default: what the first record looks like; all others must be alike. */
  format?: F;
  /** Called for invalid records, which are then left out. Default: throw. */
  onInvalid?: (error: RecordError) => void;
  signal?: AbortSignal;
}

/**
 * Instruction and preference records of JSONL (or JSON, CSV, Parquet) files, validated one by one. Keys beyond the
 * format's are dropped.
 *
 * @throws {RecordError} with file, line and field, unless `onInvalid` is given
 */
export async function* readTrainingRecords<F extends TrainingFormat = TrainingFormat>(
  files: string | readonly string[],
  options: ReadTrainingOptions<F> = {},
): AsyncGenerator<LocatedRecord<F>> {
  let { format } = options;
  if (format !== undefined && !(format in schemas)) {
    throw new ConfigError('format', `'${format}' is unknown; there is ${Object.keys(schemas).join(', ')}`);
  }
  const { onInvalid, signal } = options;
  const invalid = (error: RecordError) => {
    if (!onInvalid) throw error;
    onInvalid(error);
  };
  for (const file of await expandInputs(files)) {
    const records = readRecords(file, { signal, ...(onInvalid && { onBadRecord: onInvalid }) });
    for await (const { line, fields } of records) {
      format ??= detectFormat(fields) as F | undefined;
      if (format === undefined) {
        const keys = Object.keys(fields).join(', ') || 'none';
        invalid(
          new RecordError(file.path, line, '', `is of no known format (its keys: ${keys}); give 'format'`),
        );
        continue;
      }
      const result = validateTrainingRecord(fields, format);
      if ('record' in result) yield { format, record: result.record, file: file.path, line };
      else invalid(new RecordError(file.path, line, result.field, `${result.problem} (format '${format}')`));
    }
  }
}

/** Checks one record. @returns the record, or the first field at fault */
export function validateTrainingRecord<F extends TrainingFormat>(
  value: unknown,
  format: F,
): { record: TrainingRecord<F> } | { field: string; problem: string } {
  const parsed = schemas[format].safeParse(value);
  if (parsed.success) return { record: parsed.data as TrainingRecord<F> };
  const issue = deepest(parsed.error.issues[0]!);
  return { field: issue.path.join('.'), problem: issue.message };
}

/** Of a union that failed, the branch that got furthest says what is wrong. */
function deepest(issue: z.core.$ZodIssue): { path: PropertyKey[]; message: string } {
  if (issue.code !== 'invalid_union') return issue;
  const branches = issue.errors.flat().map(deepest);
  const best = branches.reduce((a, b) => (b.path.length > a.path.length ? b : a), branches[0] ?? issue);
  if (best.path.length === 0) return { path: issue.path, message: 'must be a string or a list of messages' };
  return { path: [...issue.path, ...best.path], message: best.message };
}

/**
 * Splits two transcripts that share their beginning (Anthropic's HH-RLHF) into prompt and last turns: up to and
 * including the last `Assistant:` before they differ.
 *
 * @returns null when they share no assistant turn
 */
export function splitPreference(
  chosen: string,
  rejected: string,
): { prompt: string; chosen: string; rejected: string } | null {
  const mark = '\n\nAssistant:';
  let common = 0;
  while (common < chosen.length && common < rejected.length && chosen[common] === rejected[common]) common++;
  const at = chosen.slice(0, common).lastIndexOf(mark);
  if (at < 0) return null;
  const end = at + mark.length;
  return { prompt: chosen.slice(0, end), chosen: chosen.slice(end), rejected: rejected.slice(end) };
}
