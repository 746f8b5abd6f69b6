import { Command, CommanderError } from 'commander';
import { registerConvert } from './convert.js';
import { describeError } from './errors.js';
import { registerFinetune } from './finetune.js';
import { registerGenerate } from './generate.js';
import { registerInfo } from './info.js';
import { registerPretrain } from './pretrain.js';
import { registerScore } from './score.js';

/** The `gpt` command with all its subcommands. */
export function createProgram(): Command {
  const program = new Command('gpt')
    .description('Train, fine-tune, run and inspect GPT models.')
    .option('--verbose', 'show stack traces and the backend log')
    .showHelpAfterError('Run with --help to see the flags.')
    .enablePositionalOptions()
    .exitOverride();
  registerPretrain(program);
  registerFinetune(program);
  registerGenerate(program);
  registerScore(program);
  registerInfo(program);
  registerConvert(program);
  return program;
}

/**
 * Runs one command line. Every failure becomes one sentence on stderr and an exit status above 0; the stack is
 * shown with `--verbose` only.
 *
 * @returns the exit status
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // commander has already said what is wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode;
    const verbose = args.includes('--verbose');
    process.stderr.write(`gpt: ${describeError(error)}\n`);
    if (verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return 1;
  }
}
