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
 * Records of a data file: `.jsonl`, `.json` (a list), `.csv`, `.tsv`, each also as `.gz`, from disk or an http(s)
 * address.
 *
 * @param columns names of the columns of a CSV that has no header line
 * @throws {TaskDataError} naming file and line
 */
export async function readRecords(path: string, columns?: readonly string[]): Promise<Doc[]> {
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
      const value: unknown = JSON.parse(text);
      if (!Array.isArray(value)) throw new TaskDataError(path, 'must hold a list of records');
      return value as Doc[];
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
      throw new TaskDataError(path, 'has an unknown extension; use .jsonl, .json, .csv or .tsv, plain or .gz');
  }
}
