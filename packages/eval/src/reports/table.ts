import Table from 'cli-table3';
import { headline, type Report } from '../report.js';
import { arrow, number, withError } from './format.js';

/** The report as a table for the terminal. */
export function reportTable(report: Report): string {
  const table = new Table({
    head: ['task', 'shots', 'items', 'metric', '', 'value ± stderr'],
    style: { head: [], border: [] },
  });
  for (const result of report.tasks) {
    Object.entries(result.metrics).forEach(([name, metric], index) => {
      const lead = index === 0 ? [result.task, result.shots, result.items] : ['', '', ''];
      table.push([...lead, name, arrow(metric), withError(metric)]);
    });
  }
  for (const [name, { metric, macro, micro, tasks }] of Object.entries(report.groups)) {
    table.push([
      `group ${name}`,
      '',
      `${tasks} tasks`,
      metric,
      '',
      `${number(macro)} (by item ${number(micro)})`,
    ]);
  }
  for (const result of report.tasks) {
    if (!result.contamination) continue;
    const [name] = headline(result);
    const { clean, metrics } = result.contamination;
    const alone = metrics[name];
    table.push([`${result.task} (clean)`, result.shots, clean, name, '', alone ? withError(alone) : '–']);
  }
  return table.toString();
}
