import type { Command } from 'commander';
import { filterRisky } from '../../safety/filter-risky.js';
import { SFTTrainer } from '../../trainers/sft-trainer.js';
import { addFlags, readConfig, type SessionFlags } from '../config.js';
import { defined, readDemonstrations } from '../records.js';
import { initialise, loadModel, runSession } from '../session.js';

/** Adds `gpt-rlhf sft`. */
export function registerSFT(program: Command): void {
  const command = program
    .command('sft')
    .description('Step 1: fine-tune on demonstrations, JSONL of { prompt, completion }.');
  addFlags(command, 'sft').action(async (flags: SessionFlags) => {
    const config = await readConfig('sft', { ...flags });
    let demonstrations = await readDemonstrations(config.data);
    const validation = config.validation && (await readDemonstrations(config.validation));
    if (config.dropRisky) {
      const { kept, dropped } = await filterRisky(demonstrations);
      demonstrations = kept;
      if (!flags.quiet && !flags.json)
        process.stdout.write(`${dropped.length} risky demonstrations left out\n`);
    }
    await initialise(flags);
    using model = await loadModel(config.model);
    await runSession(config, flags, (run) =>
      new SFTTrainer(model, demonstrations, {
        ...defined(config, 'model', 'out', 'data', 'validation', 'dropRisky'),
        ...(validation ? { validation } : {}),
        ...run,
      }).train(),
    );
  });
}
