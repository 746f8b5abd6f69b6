import type { Command } from 'commander';
import { rankedPairs } from '../../human-feedback/records.js';
import { DPOTrainer, type PreferencePair } from '../../trainers/dpo-trainer.js';
import { addFlags, readConfig, type SessionFlags } from '../config.js';
import { UsageError } from '../errors.js';
import { defined, readRankings } from '../records.js';
import { initialise, loadModel, runSession } from '../session.js';

/** Adds `gpt-rlhf dpo`. */
export function registerDPO(program: Command): void {
  const command = program
    .command('dpo')
    .description(
      'Direct preference optimisation on pairs, JSONL of { prompt, chosen, rejected } or of rankings.',
    );
  addFlags(command, 'dpo').action(async (flags: SessionFlags) => {
    const config = await readConfig('dpo', { ...flags });
    const pairs = await readPairs(config.data);
    const validation = config.validation && (await readPairs(config.validation));
    await initialise(flags);
    using model = await loadModel(config.model);
    // A resumed policy is no longer the model it began from: the reference is loaded on its own.
    using reference = await loadModel(config.reference ?? config.model);
    await runSession(config, flags, (run) =>
      new DPOTrainer(model, pairs, {
        ...defined(config, 'model', 'out', 'data', 'validation', 'reference'),
        reference,
        ...(validation ? { validation } : {}),
        ...run,
      }).train(),
    );
  });
}

async function readPairs(paths: readonly string[]): Promise<PreferencePair[]> {
  const pairs = (await readRankings(paths)).flatMap((ranking) =>
    rankedPairs(ranking).map(([better, worse]) => ({
      prompt: ranking.prompt,
      chosen: ranking.completions[better]!,
      rejected: ranking.completions[worse]!,
    })),
  );
  if (pairs.length === 0)
    throw new UsageError(`${paths.join(', ')}: all rankings are ties; give some that prefer one completion.`);
  return pairs;
}
