import { writeFileAtomic } from '@gpt-lineage/gpt-core/node';
import type { Command } from 'commander';
import { checkContamination } from '../contamination/check-contamination.js';
import { list, wholeNumber } from './flags.js';

interface Flags {
  tasks: string[];
  corpus: string[];
  output: string;
  field?: string;
  n?: number;
  maxDocuments?: number;
  data?: string;
}

/** `gpt-eval contamination`: which items the training data holds. */
export function registerContamination(program: Command, signal: AbortSignal): void {
  program
    .command('contamination')
    .description('Look for n-grams of evaluation items in training data (GPT-3, appendix C).')
    .requiredOption('-t, --tasks <names...>', 'tasks, groups or patterns', list)
    .requiredOption('-c, --corpus <files...>', 'training data: text, JSONL, CSV, Parquet; folders and globs')
    .requiredOption('-o, --output <file>', 'report for gpt-eval run --contamination')
    .option('--field <name>', 'the text field of a record')
    .option('--n <words>', 'words per gram (default: by item lengths, 8 to 13)', wholeNumber(2))
    .option('--max-documents <n>', 'grams in more documents are no leak', wholeNumber(1))
    .option('--data <folder>', 'data files in the layout of the bundled samples')
    .action(async ({ data, output, ...flags }: Flags) => {
      const report = await checkContamination({
        ...flags,
        ...(data === undefined ? {} : { dataFolder: data }),
        signal,
      });
      await writeFileAtomic(output, `${JSON.stringify(report, null, 1)}\n`);
      process.stdout.write(`${report.corpus.documents} documents in ${report.corpus.files.length} files\n`);
      for (const [task, { n, clean, dirty, tooShort }] of Object.entries(report.tasks)) {
        process.stdout.write(
          `${task}: ${dirty.length} of ${dirty.length + clean.length} items overlap (${n}-grams), ${tooShort.length} too short to tell\n`,
        );
      }
    });
}
