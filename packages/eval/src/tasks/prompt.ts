import { TaskError } from '../errors.js';
import type { Doc, MultipleChoiceTask, TaskDefinition } from './task.js';
import { resolveField, resolveText } from './template.js';

export const choicesOf = (task: MultipleChoiceTask, doc: Doc): readonly string[] => {
  const choices = Array.isArray(task.choices)
    ? (task.choices as readonly string[])
    : resolveField(task.choices as never, doc, task.name);
  if (!Array.isArray(choices) || choices.length === 0) {
    throw new TaskError(
      task.name,
      'choices must be a list of texts; a template cannot make one, use a function',
    );
  }
  return choices;
};

/** Index of the right choice. */
export function targetIndex(task: MultipleChoiceTask, doc: Doc): number {
  const choices = choicesOf(task, doc);
  const target = resolveField<number | string>(task.target, doc, task.name);
  const index =
    typeof target === 'number' ? target : /^\d+$/u.test(target) ? Number(target) : choices.indexOf(target);
  if (!(index >= 0 && index < choices.length)) {
    throw new TaskError(
      task.name,
      `target ${JSON.stringify(target)} is none of the ${choices.length} choices`,
    );
  }
  return index;
}

const delimiterOf = (task: TaskDefinition) => task.targetDelimiter ?? ' ';

/** The right answer as an example shows it. */
function exampleAnswer(task: TaskDefinition, doc: Doc): string {
  if (task.fewShot?.target) return resolveText(task.fewShot.target, doc, task.name);
  switch (task.kind) {
    case 'multiple-choice':
      return task.ending === undefined
        ? choicesOf(task, doc)[targetIndex(task, doc)]!
        : resolveText(task.ending, doc, task.name);
    case 'log-likelihood':
      return resolveText(task.target, doc, task.name);
    case 'generation': {
      const target = resolveField(task.target, doc, task.name);
      return Array.isArray(target) ? (target[0] ?? '') : String(target);
    }
    default:
      throw new TaskError(task.name, `a ${task.kind} task has no few-shot examples`);
  }
}

/** Prompt of an example. In a task with an `ending`, the right choice stands inside it. */
function examplePrompt(task: TaskDefinition, doc: Doc): string {
  if (task.kind === 'rolling') return '';
  const inside = task.kind === 'multiple-choice' && task.ending !== undefined;
  const fields = inside ? { ...doc, choice: choicesOf(task, doc)[targetIndex(task, doc)] } : doc;
  return resolveText(task.fewShot?.prompt ?? task.prompt, fields, task.name);
}

/** Everything before the item's own prompt: description and examples. */
export function preamble(task: TaskDefinition, examples: readonly Doc[]): string {
  const between = task.fewShot?.delimiter ?? '\n\n';
  const delimiter = task.kind === 'multiple-choice' && task.ending !== undefined ? '' : delimiterOf(task);
  const shown = examples.map(
    (doc) => examplePrompt(task, doc) + delimiter + exampleAnswer(task, doc) + between,
  );
  return (task.description ?? '') + shown.join('');
}

/** A choice as it is scored after the prompt. */
export const choiceContinuation = (task: MultipleChoiceTask, choice: string): string =>
  delimiterOf(task) + choice;
