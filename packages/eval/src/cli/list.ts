import Table from 'cli-table3';
import type { Command } from 'commander';
import { listTasks, resolveTasks } from '../tasks/registry.js';

/** `gpt-eval list`: which tasks there are. */
export function registerList(program: Command): void {
  program
    .command('list')
    .description('Tasks by name, with their kind, groups and default shots.')
    .argument('[names...]', 'tasks, groups or patterns; default all')
    .option('--groups', 'groups only')
    .option('--json', 'as JSON')
    .action((names: string[], flags: { groups?: boolean; json?: boolean }) => {
      const tasks = names.length === 0 ? listTasks() : resolveTasks(names);
      const rows = flags.groups
        ? [...new Set(tasks.flatMap((task) => task.groups ?? []))].sort().map((group) => ({
            group,
            tasks: tasks.filter((task) => task.groups?.includes(group)).length,
          }))
        : tasks.map(({ name, kind, groups = [], shots = 0, version, title }) => ({
            name,
            kind,
            groups,
            shots,
            version,
            title,
          }));
      if (flags.json) {
        process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
        return;
      }
      const heads = Object.keys(rows[0] ?? {});
      const table = new Table({ head: heads, style: { head: [], border: [], compact: true } });
      for (const row of rows) table.push(Object.values(row).map((value) => String(value)));
      process.stdout.write(`${table.toString()}\n`);
    });
}
