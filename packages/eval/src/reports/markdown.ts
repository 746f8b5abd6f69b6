import type { Report } from '../report.js';
import { arrow, number, withError } from './format.js';

const cell = (text: string) => text.replaceAll('|', '\\|');

/** The report as Markdown. */
export function reportMarkdown(report: Report): string {
  const lines = [
    `# Evaluation of ${report.model}`,
    '',
    '| task | version | shots | items | metric | value ± stderr |',
    '|---|---|---|---|---|---|',
  ];
  for (const { task, version, shots, items, metrics } of report.tasks) {
    for (const [name, metric] of Object.entries(metrics)) {
      lines.push(
        `| ${cell(task)} | ${version} | ${shots} | ${items} | ${cell(name)} ${arrow(metric)} | ${withError(metric)} |`,
      );
    }
  }
  const groups = Object.entries(report.groups);
  if (groups.length > 0) {
    lines.push('', '| group | tasks | metric | mean of tasks | mean of items |', '|---|---|---|---|---|');
    for (const [name, { tasks, metric, macro, micro }] of groups) {
      lines.push(`| ${cell(name)} | ${tasks} | ${cell(metric)} | ${number(macro)} | ${number(micro)} |`);
    }
  }
  const truncated = report.tasks.filter((result) => result.truncated > 0);
  if (truncated.length > 0) {
    lines.push(
      '',
      ...truncated.map(
        ({ task, truncated: count }) =>
          `${count} prompts of ${task} were cut on the left to fit the context.`,
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}
