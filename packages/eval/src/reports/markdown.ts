import { headline, type Report } from '../report.js';
import { arrow, number, withError } from './format.js';

const cell = (text: string) => text.replaceAll('|', '\\|');

const versionsOf = ({ versions }: Report) =>
  Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');

/** The report as Markdown. */
export function reportMarkdown(report: Report): string {
  const lines = [
    `# Evaluation of ${report.model}`,
    '',
    ...(report.options ? [`Seed ${report.options.seed}, ${versionsOf(report)}.`, ''] : []),
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
  const judged = report.tasks.filter((result) => result.contamination);
  if (judged.length > 0) {
    lines.push(
      '',
      '| task | overlapping | clean | metric | all items | clean items |',
      '|---|---|---|---|---|---|',
    );
    for (const result of judged) {
      const [name, all] = headline(result);
      const { dirty, clean, metrics } = result.contamination!;
      const alone = metrics[name] ? withError(metrics[name]) : '–';
      lines.push(
        `| ${cell(result.task)} | ${dirty} | ${clean} | ${cell(name)} | ${withError(all)} | ${alone} |`,
      );
    }
  }
  const sorted = report.tasks.filter((result) => result.categories);
  if (sorted.length > 0) {
    lines.push('', '| task | category | items | metric | value ± stderr |', '|---|---|---|---|---|');
    for (const { task, categories } of sorted) {
      for (const [category, { items, metrics }] of Object.entries(categories!)) {
        for (const [name, metric] of Object.entries(metrics)) {
          lines.push(
            `| ${cell(task)} | ${cell(category)} | ${items} | ${cell(name)} ${arrow(metric)} | ${withError(metric)} |`,
          );
        }
      }
    }
  }
  const chances = report.tasks.filter((result) => result.calibration);
  if (chances.length > 0) {
    lines.push('', '| task | calibration error | Brier |', '|---|---|---|');
    for (const { task, calibration } of chances) {
      lines.push(
        `| ${cell(task)} | ${number(calibration!.expectedCalibrationError)} | ${number(calibration!.brier)} |`,
      );
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
