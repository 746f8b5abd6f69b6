import { TaskError } from '../errors.js';
import { builtinTasks } from './builtin/index.js';
import type { TaskDefinition } from './task.js';

const registry = new Map<string, TaskDefinition>(builtinTasks.map((task) => [task.name, task]));

/**
 * Makes a task known by its name.
 *
 * @throws {TaskError} the name is taken; pass `replace` to take it over
 */
export function registerTask(task: TaskDefinition, { replace = false } = {}): void {
  if (registry.has(task.name) && !replace) {
    throw new TaskError(task.name, 'is registered already; choose another name or pass { replace: true }');
  }
  registry.set(task.name, task);
}

/** All known tasks, by name. */
export const listTasks = (): TaskDefinition[] =>
  [...registry.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

/** Definitions by name, group name or pattern with `*`, in the order asked, each once. */
export function resolveTasks(wanted: readonly (string | TaskDefinition)[]): TaskDefinition[] {
  const found = new Map<string, TaskDefinition>();
  for (const entry of wanted) {
    const matches = typeof entry === 'string' ? lookUp(entry) : [entry];
    for (const task of matches) found.set(task.name, task);
  }
  if (found.size === 0) throw new TaskError('(none)', 'name at least one task; `gpt-eval list` shows them');
  return [...found.values()];
}

function lookUp(name: string): TaskDefinition[] {
  const exact = registry.get(name);
  if (exact) return [exact];
  const pattern = new RegExp(`^${name.split('*').map(escapePattern).join('.*')}$`, 'u');
  const matches = listTasks().filter(
    (task) => task.groups?.includes(name) || (name.includes('*') && pattern.test(task.name)),
  );
  if (matches.length > 0) return matches;
  const close = listTasks()
    .map((task) => task.name)
    .filter((other) => other.includes(name.slice(0, 4)));
  const hint = close.length > 0 ? `did you mean ${close.slice(0, 4).join(', ')}?` : 'see `gpt-eval list`';
  throw new TaskError(name, `is not known; ${hint}`);
}

const escapePattern = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/gu, '\\$&');
