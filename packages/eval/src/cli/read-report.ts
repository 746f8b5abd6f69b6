import { readFile } from 'node:fs/promises';
import { UsageError } from '../errors.js';
import { parseReport, type Report } from '../report.js';

export async function readReport(path: string): Promise<Report> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new UsageError('report', path, `cannot be read (${cause.message})`, { cause });
  });
  return parseReport(text, path);
}
