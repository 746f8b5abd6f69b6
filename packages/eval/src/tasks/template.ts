import nunjucks from 'nunjucks';
import { TaskError } from '../errors.js';
import { strip } from '../python-text.js';
import type { Doc, Field } from './task.js';

// No loader: a template can only see the record it is given. Prompts are plain text, so nothing is escaped.
const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true });
environment.addFilter('split', (text: unknown, separator = ' ') => String(text).split(separator));
environment.addFilter('strip', (text: unknown) => strip(String(text)));

const compiled = new Map<string, nunjucks.Template>();

/** A field of a record: its template filled in, or its function applied. */
export function resolveField<T>(field: Field<T>, doc: Doc, task: string): T | string {
  if (typeof field === 'function') return field(doc);
  try {
    let template = compiled.get(field);
    if (!template) {
      template = nunjucks.compile(field, environment);
      compiled.set(field, template);
    }
    return template.render(doc);
  } catch (cause) {
    throw new TaskError(
      task,
      `template ${JSON.stringify(field)} fails on a record: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

export const resolveText = (field: Field<string>, doc: Doc, task: string): string =>
  String(resolveField(field, doc, task));
