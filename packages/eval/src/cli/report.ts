import { writeFileAtomic } from '@gpt-lineage/gpt-core/node';
import { type Command, Option } from 'commander';
import { reportHtml } from '../reports/html.js';
import { reportMarkdown } from '../reports/markdown.js';
import { reportTable } from '../reports/table.js';
import { readReport } from './read-report.js';

const formats = {
  table: (reports: Parameters<typeof reportHtml>[0]) =>
    `${[reports]
      .flat()
      .map((one) => reportTable(one))
      .join('\n')}\n`,
  json: (reports: Parameters<typeof reportHtml>[0]) => `${JSON.stringify([reports].flat(), null, 2)}\n`,
  markdown: (reports: Parameters<typeof reportHtml>[0]) =>
    [reports]
      .flat()
      .map((one) => reportMarkdown(one))
      .join('\n'),
  html: reportHtml,
};

/** `gpt-eval report FILES`: one run or several as a table, Markdown or a page with plots. */
export function registerReport(program: Command): void {
  program
    .command('report')
    .description('Show reports. Several in one page are plotted against shots and model size.')
    .argument('<reports...>', 'JSON files that gpt-eval run wrote')
    .addOption(new Option('-f, --format <format>', 'how').choices(Object.keys(formats)).default('table'))
    .option('-o, --output <file>', 'default: standard output')
    .action(async (paths: string[], flags: { format: keyof typeof formats; output?: string }) => {
      const reports = await Promise.all(paths.map(readReport));
      const text = formats[flags.format](reports);
      if (flags.output === undefined) process.stdout.write(text);
      else await writeFileAtomic(flags.output, text);
    });
}
