import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { TaskDataError } from '../errors.js';
import type { Doc } from '../tasks/task.js';

const MAX_BYTES = 1 << 30;

async function readText(path: string): Promise<string> {
  const source = await open(path);
  const bytes = path.endsWith('.gz') ? source.pipe(createGunzip()) : source;
  const chunks: Buffer[] = [];
  let size = 0;
  // An error of the inner stream does not travel through pipe().
  source.on('error', (error) => bytes.destroy(error));
  try {
    for await (const chunk of bytes) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new TaskDataError(path, 'holds more than 1 GiB of text; split it');
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    if (cause instanceof TaskDataError) throw cause;
    throw new TaskDataError(path, `cannot be read (${(cause as Error).message})`, { cause });
  }
  return Buffer.concat(chunks).toString('utf8').replace(/^\uFEFF/u, '');
}

async function open(path: string): Promise<Readable> {
  if (/^https?:/u.test(path)) {
    const response = await fetch(path).catch((cause: Error) => {
      throw new TaskDataError(path, `cannot be fetched (${cause.message})`, { cause });
    });
    if (!response.ok || !response.body) throw new TaskDataError(path, `answers ${response.status}`);
    return Readable.fromWeb(response.body as never);
  }
  await access(path).catch((cause) => {
    throw new TaskDataError(path, 'does not exist; give the folder that holds the data with --data', { cause });
  });
  return createReadStream(path);
}

function parseLine(line: string, path: string, number: number): Doc {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new TaskDataError(`${path}:${number}`, `is no JSON (${(cause as Error).message})`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TaskDataError(`${path}:${number}`, 'holds no record; each line must be a JSON object');
  }
  return value as Doc;
}

/**
 * Records of a data file: `.jsonl`, `.json` (a list), `.csv`, `.tsv`, each also as `.gz`, or `.parquet` as data sets are
 * published on Hugging Face, from disk or an http(s) address.
 *
 * @param columns names of the columns of a CSV that has no header line
 * @throws {TaskDataError} naming file and line
 */
export async function readRecords(path: string, columns?: readonly string[]): Promise<Doc[]> {
  if (/\.parquet(\?.*)?$/u.test(path)) return readParquet(path);
  const text = await readText(path);
  const extension = /\.(jsonl|json|csv|tsv)(\.gz)?(\?.*)?$/u.exec(path)?.[1];
  switch (extension) {
    case 'jsonl': {
      const docs: Doc[] = [];
      text.split('\n').forEach((line, index) => {
        if (line.trim() !== '') docs.push(parseLine(line, path, index + 1));
      });
      return docs;
    }
    case 'json': {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        throw new TaskDataError(path, `is no JSON (${(cause as Error).message})`, { cause });
      }
      // BIG-bench and SQuAD files wrap their list.
      const { examples, data } = (value ?? {}) as { examples?: unknown; data?: unknown };
      const list = [value, examples, data].find(Array.isArray) as unknown[] | undefined;
      if (!list?.every((entry) => typeof entry === 'object' && entry !== null))
        throw new TaskDataError(path, 'must hold a list of records');
      return list as Doc[];
    }
    case 'csv':
    case 'tsv':
      try {
        return parse(text, {
          columns: columns ? [...columns] : true,
          delimiter: extension === 'tsv' ? '\t' : ',',
          skip_empty_lines: true,
          relax_quotes: true,
        }) as Doc[];
      } catch (cause) {
        throw new TaskDataError(path, `is no ${extension.toUpperCase()} (${(cause as Error).message})`, { cause });
      }
    default:
      throw new TaskDataError(path, 'has an unknown extension; use .jsonl, .json, .csv or .tsv, plain or .gz, or .parquet');
  }
}

async function readParquet(path: string): Promise<Doc[]> {
  const { readRecords: stream } = await import('@gpt-lineage/gpt-core/node');
  const docs: Doc[] = [];
  try {
    for await (const { fields } of stream({ path, format: 'parquet' })) docs.push(plain(fields) as Doc);
  } catch (cause) {
    throw new TaskDataError(path, `cannot be read (${(cause as Error).message})`, { cause });
  }
  return docs;
}

/** Parquet's 64-bit integers as the numbers that templates and comparisons expect. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}
