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
  const names = listTasks().map((task) => task.name);
  const close = names
    .map((other) => ({ other, distance: editDistance(name, other) }))
    .filter(({ other, distance }) => distance <= 3 || other.includes(name))
    .sort((a, b) => a.distance - b.distance)
    .map(({ other }) => other);
  const hint = close.length > 0 ? `did you mean ${close.slice(0, 4).join(', ')}?` : 'see `gpt-eval list`';
  throw new TaskError(name, `is not known; ${hint}`);
}

/** Insertions, deletions and replacements from one text to the other (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

const escapePattern = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/gu, '\\$&');
