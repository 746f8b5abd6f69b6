import Table from 'cli-table3';
import type { Command } from 'commander';
import { compareReports } from '../reports/compare.js';
import { number } from '../reports/format.js';
import { wholeNumber } from './flags.js';
import { readReport } from './read-report.js';

/** `gpt-eval compare A B`: is the difference more than chance? */
export function registerCompare(program: Command): void {
  program
    .command('compare')
    .description(
      "Two runs item by item: McNemar's exact test for right or wrong, a permutation test otherwise.",
    )
    .argument('<a>', 'report (JSON)')
    .argument('<b>', 'report (JSON)')
    .option('--resamples <n>', 'permutations', wholeNumber(1), 10_000)
    .option('--seed <n>', 'of the permutations', wholeNumber(0), 0)
    .option('--json', 'as JSON')
    .action(async (a: string, b: string, flags: { resamples: number; seed: number; json?: boolean }) => {
      const [left, right] = [await readReport(a), await readReport(b)];
      const rows = compareReports(left, right, flags);
      if (flags.json) {
        process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
        return;
      }
      const table = new Table({
        head: ['task', 'metric', 'items', `a: ${left.model}`, `b: ${right.model}`, 'b − a', 'p'],
        style: { head: [], border: [] },
      });
      for (const row of rows) {
        const { task, metric, items, difference, pValue } = row;
        table.push([
          task,
          metric,
          items,
          number(row.a),
          number(row.b),
          number(difference),
          pValue.toPrecision(3),
        ]);
      }
      process.stdout.write(`${table.toString()}\n`);
      const missing = left.tasks.filter(({ task }) => !rows.some((row) => row.task === task));
      if (missing.length > 0)
        process.stdout.write(
          `not comparable (no item with the same prompt): ${missing.map(({ task }) => task).join(', ')}\n`,
        );
    });
}
