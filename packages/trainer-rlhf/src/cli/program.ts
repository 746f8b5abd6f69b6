import { Command, CommanderError } from 'commander';
import { registerDPO } from './commands/dpo.js';
import { registerGRPO } from './commands/grpo.js';
import { registerImprove } from './commands/improve.js';
import { registerPPO } from './commands/ppo.js';
import { registerRedTeam } from './commands/red-team.js';
import { registerRewardModel } from './commands/reward-model.js';
import { registerSFT } from './commands/sft.js';
import { describeError } from './errors.js';

/** The `gpt-rlhf` command with all its subcommands. */
export function createProgram(): Command {
  const program = new Command('gpt-rlhf')
    .description('Align GPT models: demonstrations, rankings, reinforcement learning, red-teaming.')
    .showHelpAfterError('Run with --help to see the flags.')
    .enablePositionalOptions()
    .exitOverride();
  registerSFT(program);
  registerRewardModel(program);
  registerPPO(program);
  registerDPO(program);
  registerGRPO(program);
  registerImprove(program);
  registerRedTeam(program);
  return program;
}

/**
 * Runs one command line. Every failure becomes one sentence on stderr and an exit status above 0; the stack is shown with
 * `--verbose` only.
 *
 * @returns the exit status
 */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode; // commander has said what is wrong
    process.stderr.write(`gpt-rlhf: ${describeError(error)}\n`);
    if (args.includes('--verbose') && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return 1;
  }
}
