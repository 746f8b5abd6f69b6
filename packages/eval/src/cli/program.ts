import { GptLineageError } from '@gpt-lineage/gpt-core';
import { Command, CommanderError } from 'commander';
import { registerCompare } from './compare.js';
import { registerContamination } from './contamination.js';
import { registerList } from './list.js';
import { registerReport } from './report.js';
import { registerRun } from './run.js';
import { registerWorker } from './worker.js';

/** Exit status of an interrupted command, as shells have it. */
const INTERRUPTED = 130;

/** The `gpt-eval` command with its subcommands; they stop when `signal` is aborted. */
export function createProgram(signal: AbortSignal): Command {
  const program = new Command('gpt-eval')
    .description(
      'Evaluate language models: zero-, one- and few-shot, with the numbers of lm-evaluation-harness.',
    )
    .option('--verbose', 'show stack traces')
    .showHelpAfterError('Run with --help to see the flags.')
    .enablePositionalOptions()
    .exitOverride();
  registerRun(program, signal);
  registerList(program);
  registerCompare(program);
  registerReport(program);
  registerContamination(program, signal);
  registerWorker(program, signal);
  return program;
}

/**
 * Runs one command line. Every failure becomes one sentence on stderr and an exit status above 0. The first Ctrl-C ends
 * the run at the next answer, the second one at once.
 *
 * @returns the exit status
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt);
  try {
    await createProgram(controller.signal).parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // commander has already said what is wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode;
    if (controller.signal.aborted) {
      process.stderr.write(
        'gpt-eval: interrupted. Answers so far are in the cache: the same command goes on.\n',
      );
      return INTERRUPTED;
    }
    const known = GptLineageError.isInstance(error) || (error as NodeJS.ErrnoException)?.code !== undefined;
    process.stderr.write(`gpt-eval: ${error instanceof Error ? error.message : String(error)}\n`);
    if ((args.includes('--verbose') || !known) && error instanceof Error)
      process.stderr.write(`${error.stack}\n`);
    return 1;
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, interrupt);
  }
}
