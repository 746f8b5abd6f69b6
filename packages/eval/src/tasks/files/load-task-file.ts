import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { TaskDataError } from '../../errors.js';
import type { TaskDefinition } from '../task.js';
import { taskFromDescription } from './from-description.js';
import { taskDescription } from './task-description.js';

/**
 * Tasks of a YAML or JSON file: one, a list, or several YAML documents. Data files are looked for beside the task file
 * first when they begin with `./`, otherwise in the data folder.
 *
 * @throws {TaskDataError} naming the file and the field
 */
export async function loadTaskFile(path: string): Promise<TaskDefinition[]> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new TaskDataError(path, `cannot be read (${cause.message})`, { cause });
  });
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  const entries: unknown[] = [];
  for (const document of documents as ReturnType<typeof parseAllDocuments> & { errors?: unknown }[]) {
    const [error] = (document as { errors: Error[] }).errors;
    if (error)
      throw new TaskDataError(path, `is neither YAML nor JSON (${error.message.split('\n')[0]})`, {
        cause: error,
      });
    const value: unknown = (document as { toJS(options: object): unknown }).toJS({ maxAliasCount: 100 });
    entries.push(...(Array.isArray(value) ? value : [value]));
  }
  if (entries.length === 0) throw new TaskDataError(path, 'holds no task');
  return entries.map((entry, index) => {
    const parsed = taskDescription.safeParse(entry);
    if (!parsed.success) {
      const where = entries.length > 1 ? `task ${index + 1}: ` : '';
      throw new TaskDataError(path, where + z.prettifyError(parsed.error).replaceAll('\n', '; '), {
        cause: parsed.error,
      });
    }
    const files = Object.fromEntries(
      Object.entries(parsed.data.data.files).map(([split, file]) => [split, besideTask(file, path)]),
    );
    return taskFromDescription({ ...parsed.data, data: { ...parsed.data.data, files } });
  });
}

const besideTask = (file: string, path: string): string =>
  file.startsWith('./') && !isAbsolute(file) ? resolve(dirname(path), file) : file;
