import { Command } from 'commander';

/** The command line `gpt-demo`. @returns the exit status */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = new Command('gpt-demo').description(
    'OpenAI-compatible server and web app of GPT Lineage models',
  );
  await program.parseAsync([...args], { from: 'user' });
  return 0;
}
