import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { parse } from 'csv-parse';
import { FileError, RecordError } from '../errors.js';
import { openLocalBytes, readParquet } from '../parquet.js';
import { type ByteStreamOptions, readBytes, requireUnchanged } from './byte-stream.js';
import { openRemoteBytes } from './http.js';
import { type InputFile, isUrl } from './input-files.js';
import { defaultMaxLineBytes, splitLines } from './line-stream.js';
import { encodingError, toUtf8, utf8Decoder } from './text-decoding.js';

/** A record as it stands in the file. */
export interface RawRecord {
  /** Line or row, from 1; 1 for a whole text file. */
  line: number;
  /** The fields; `{ text }` for text files. */
  fields: Record<string, unknown>;
}

export interface RecordStreamOptions extends ByteStreamOptions {
  /** Default UTF-8 (a UTF-16 byte order mark is obeyed). */
  encoding?: string | undefined;
  /** Longest line, and largest document of a text file, in bytes. Default 64 MiB. */
  maxRecordBytes?: number | undefined;
  /**
   * Text files only: where one document ends and the next begins; `'line'`, `'blank-line'` or a separator such as
   * `<|endoftext|>`. Default: the whole file is one document.
   */
  separator?: string | undefined;
  /** CSV and TSV files without a heading: the names of their columns. Default: the first row names them. */
  columns?: string[] | undefined;
  /** Called for a record that cannot be used; it is then left out. Default: throw it. */
  onBadRecord?: ((error: RecordError) => void) | undefined;
}

/**
 * Records of one file, in order, with bounded memory.
 *
 * @throws {FileError} when the file as a whole is unusable; what came before is then not to be trusted
 * @throws {RecordError} for one bad record, unless `onBadRecord` is given
 */
export async function* readRecords(
  file: InputFile,
  options: RecordStreamOptions = {},
): AsyncGenerator<RawRecord> {
  switch (file.format) {
    case 'text':
      yield* readText(file.path, options);
      break;
    case 'jsonl':
      yield* readJsonLines(file.path, options);
      break;
    case 'json':
      yield* readJson(file.path, options);
      break;
    case 'csv':
    case 'tsv':
      yield* readCsv(file.path, file.format === 'tsv' ? '\t' : ',', options);
      break;
    case 'parquet':
      yield* readParquetRecords(file.path, options);
      break;
  }
}

const utf8Stream = (path: string, options: RecordStreamOptions) =>
  toUtf8(path, readBytes(path, options), options.encoding);

function reject(error: RecordError, { onBadRecord }: RecordStreamOptions): void {
  if (!onBadRecord) throw error;
  onBadRecord(error);
}

function lines(path: string, options: RecordStreamOptions) {
  const maxLineBytes = options.maxRecordBytes ?? defaultMaxLineBytes;
  return splitLines(path, utf8Stream(path, options), {
    maxLineBytes,
    onLongLine: (line, bytes) =>
      reject(new RecordError(path, line, '', `has ${bytes} bytes; the limit is ${maxLineBytes}`), options),
  });
}

async function* readJsonLines(path: string, options: RecordStreamOptions): AsyncGenerator<RawRecord> {
  for await (const { number: line, text } of lines(path, options)) {
    if (text.trim() === '') continue;
    let fields: unknown;
    try {
      fields = JSON.parse(text);
    } catch (cause) {
      const excerpt = text.length > 80 ? `${text.slice(0, 80)}…` : text;
      reject(new RecordError(path, line, '', `is not valid JSON: ${excerpt}`, { cause }), options);
      continue;
    }
    if (isObject(fields)) yield { line, fields };
    else reject(new RecordError(path, line, '', `must be a JSON object, received ${kind(fields)}`), options);
  }
}

/** A JSON file is one object or an array of them, and read whole. */
async function* readJson(path: string, options: RecordStreamOptions): AsyncGenerator<RawRecord> {
  const text = await readWhole(path, options);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FileError(path, 'format', 'is not valid JSON (for one object per line, name it .jsonl)', {
      cause,
    });
  }
  for (const [i, fields] of (Array.isArray(value) ? value : [value]).entries()) {
    if (isObject(fields)) yield { line: i + 1, fields };
    else reject(new RecordError(path, i + 1, '', `must be a JSON object, received ${kind(fields)}`), options);
  }
}

async function* readCsv(
  path: string,
  delimiter: string,
  options: RecordStreamOptions,
): AsyncGenerator<RawRecord> {
  const parser = parse({
    delimiter,
    columns: options.columns ?? true,
    info: true,
    bom: true,
    quote: delimiter === '\t' ? null : '"',
    relax_column_count: true,
    max_record_size: options.maxRecordBytes ?? defaultMaxLineBytes,
  });
  let sourceError: unknown;
  const feed = (async () => {
    try {
      for await (const chunk of utf8Stream(path, options)) {
        if (parser.destroyed) return;
        if (!parser.write(chunk)) {
          await new Promise<void>((resolve) => {
            parser.once('drain', resolve);
            parser.once('close', resolve);
          });
        }
      }
      parser.end();
    } catch (error) {
      sourceError = error;
      parser.destroy(error as Error);
    }
  })();
  try {
    for await (const row of parser as AsyncIterable<CsvRow>) {
      const { record: fields, info } = row;
      if (info.error) {
        reject(new RecordError(path, info.lines, '', info.error.message), options);
        continue;
      }
      yield { line: info.lines, fields };
    }
    await feed;
  } catch (cause) {
    if (sourceError) throw sourceError;
    if (cause instanceof RecordError) throw cause;
    throw new FileError(path, 'format', `is not valid CSV: ${(cause as Error).message}`, { cause });
  } finally {
    parser.destroy();
    await feed;
  }
}

interface CsvRow {
  record: Record<string, unknown>;
  info: { lines: number; error?: Error };
}

async function* readText(path: string, options: RecordStreamOptions): AsyncGenerator<RawRecord> {
  const { separator } = options;
  if (separator === undefined) {
    yield { line: 1, fields: { text: await readWhole(path, options) } };
    return;
  }
  if (separator === '') throw new FileError(path, 'format', 'separator must not be empty');
  if (separator === 'line') {
    for await (const { number, text } of lines(path, options)) {
      if (text.trim() !== '') yield { line: number, fields: { text } };
    }
    return;
  }
  const limit = options.maxRecordBytes ?? defaultMaxLineBytes;
  let collected: string[] = [];
  let size = 0;
  let first = 1;
  const take = function* (next: number): Generator<RawRecord> {
    const text = collected.join('\n');
    const line = first;
    const tooLarge = size > limit;
    collected = [];
    size = 0;
    first = next;
    if (tooLarge)
      reject(new RecordError(path, line, '', `document exceeds the limit of ${limit} bytes`), options);
    else if (text.trim() !== '') yield { line, fields: { text } };
  };
  const add = (text: string) => {
    size += text.length + 1;
    if (size <= limit) collected.push(text);
  };
  for await (const { number, text } of lines(path, options)) {
    if (separator === 'blank-line') {
      if (text.trim() === '') yield* take(number + 1);
      else add(text);
      continue;
    }
    const parts = text.split(separator);
    for (const [i, part] of parts.entries()) {
      if (i > 0) yield* take(number);
      if (part !== '' || parts.length === 1) add(part);
    }
  }
  yield* take(0);
}

async function readWhole(path: string, options: RecordStreamOptions): Promise<string> {
  const limit = options.maxRecordBytes ?? defaultMaxLineBytes;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of utf8Stream(path, options)) {
    bytes += chunk.length;
    if (bytes > limit) {
      throw new FileError(path, 'line-too-long', `exceeds ${limit} bytes as one document; set a 'separator'`);
    }
    chunks.push(chunk);
  }
  try {
    return utf8Decoder.decode(Buffer.concat(chunks));
  } catch {
    throw encodingError(path, 'it');
  }
}

async function* readParquetRecords(path: string, options: RecordStreamOptions): AsyncGenerator<RawRecord> {
  const decoder = new TextDecoder();
  let line = 0;
  const records = (bytes: ReturnType<typeof openLocalBytes>) => readParquet(path, { bytes });
  const before = isUrl(path) ? undefined : statSync(path, { throwIfNoEntry: false });
  const bytes = before ? openLocalBytes(path) : await openRemoteBytes(path, options.signal);
  for await (const fields of records(bytes)) {
    line++;
    // Older writers leave the UTF-8 annotation out.
    for (const [name, value] of Object.entries(fields)) {
      if (value instanceof Uint8Array) fields[name] = decoder.decode(value);
    }
    yield { line, fields };
  }
  if (before) {
    requireUnchanged(path, before, before.size);
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
    options.onEnd?.({ bytes: before.size, sha256: hash.digest('hex') });
  } else {
    options.onEnd?.({ bytes: bytes.byteLength, sha256: '' });
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const kind = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
