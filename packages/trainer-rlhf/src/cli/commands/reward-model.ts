import type { Command } from 'commander';
import { ScalarHeadModel } from '../../models/scalar-head.js';
import { RewardTrainer } from '../../trainers/reward-trainer.js';
import { addFlags, readConfig, type SessionFlags } from '../config.js';
import { defined, readDemonstrations, readRankings } from '../records.js';
import { initialise, loadModel, runSession } from '../session.js';

/** Adds `gpt-rlhf rm`. */
export function registerRewardModel(program: Command): void {
  const command = program
    .command('rm')
    .description(
      'Step 2: train a reward model on rankings, JSONL of { prompt, completions, ranks } or { prompt, chosen, rejected }.',
    );
  addFlags(command, 'rm').action(async (flags: SessionFlags) => {
    const config = await readConfig('rm', { ...flags });
    const rankings = await readRankings(config.data);
    const validation = config.validation && (await readRankings(config.validation));
    const centerOn = config.centerOn && (await readDemonstrations(config.centerOn));
    await initialise(flags);
    using base = await loadModel(config.model);
    using model = ScalarHeadModel.create(base, config.pooling ? { pooling: config.pooling } : {});
    await runSession(config, flags, (run) =>
      new RewardTrainer(model, rankings, {
        ...defined(config, 'model', 'out', 'data', 'validation', 'centerOn', 'pooling'),
        ...(validation ? { validation } : {}),
        ...(centerOn ? { centerOn } : {}),
        ...run,
      }).train(),
    );
    // The shift that centring makes comes after the last checkpoint.
    if (centerOn && process.exitCode !== 130) await model.save(config.out);
  });
}
