import { TaskError } from '../../errors.js';
import type { Doc, TaskDefinition } from '../task.js';
import { resolveText } from '../template.js';
import type { TaskDescription, TextListDescription } from './task-description.js';

/** A described task with its functions. */
export function taskFromDescription(description: TaskDescription): TaskDefinition {
  const { where, ...data } = description.data;
  const matches = (doc: Doc) => Object.entries(where!).every(([field, value]) => doc[field] === value);
  const definition = {
    ...description,
    data: where === undefined ? data : { ...data, prepare: (doc: Doc) => (matches(doc) ? doc : undefined) },
  };
  const { name } = description;
  switch (description.kind) {
    case 'multiple-choice':
      return {
        ...definition,
        choices: textList(description.choices, name),
        target:
          typeof description.target === 'number' ? () => description.target as number : description.target,
      } as TaskDefinition;
    case 'generation':
      return {
        ...definition,
        target:
          typeof description.target === 'string' ? description.target : textList(description.target, name),
      } as TaskDefinition;
    case 'code':
      return {
        ...definition,
        program: (doc: Doc, completion: string) =>
          resolveText(description.program, { ...doc, completion }, name),
      } as TaskDefinition;
    default:
      return definition as TaskDefinition;
  }
}

function textList(list: TextListDescription, task: string): (doc: Doc) => readonly string[] {
  if (Array.isArray(list)) return (doc) => list.map((entry) => resolveText(entry, doc, task));
  if ('split' in list) {
    return (doc) =>
      resolveText(list.split, doc, task)
        .split(list.by)
        .map((part) => part.trim());
  }
  return (doc) => {
    const value = list.field.split('.').reduce<unknown>((at, key) => (at as Doc | undefined)?.[key], doc);
    if (!Array.isArray(value)) throw new TaskError(task, `the field ${list.field} of a record is no list`);
    return value.map(String);
  };
}
