import { headline, type Report, type TaskResult } from './report.js';
import type { TaskDefinition } from './tasks/task.js';

/** Means over the tasks of each group, by task and by item, where at least two share their headline metric. */
export function groupMeans(
  definitions: readonly TaskDefinition[],
  results: readonly TaskResult[],
): Report['groups'] {
  const groups: Record<string, { metric: string; macro: number; micro: number; tasks: number }> = {};
  for (const name of new Set(definitions.flatMap((task) => task.groups ?? []))) {
    const members = results.filter((_, index) => definitions[index]!.groups?.includes(name));
    const [metric] = headline(members[0]!);
    const comparable = members.filter((member) => headline(member)[0] === metric);
    if (comparable.length < 2) continue;
    const values = comparable.map((member) => ({ value: headline(member)[1].value, items: member.items }));
    const items = values.reduce((sum, entry) => sum + entry.items, 0);
    groups[name] = {
      metric,
      macro: values.reduce((sum, entry) => sum + entry.value, 0) / values.length,
      micro: values.reduce((sum, entry) => sum + entry.value * entry.items, 0) / items,
      tasks: comparable.length,
    };
  }
  return groups;
}
