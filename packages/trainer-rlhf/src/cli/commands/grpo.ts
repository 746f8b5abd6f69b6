import type { Command } from 'commander';
import { GRPOTrainer } from '../../trainers/grpo-trainer.js';
import { RLOOTrainer } from '../../trainers/rloo-trainer.js';
import { addFlags, readConfig, type SessionFlags } from '../config.js';
import { defined, readPrompts } from '../records.js';
import { configuredReward } from '../rewards.js';
import { initialise, loadModel, runSession } from '../session.js';

/** Adds `gpt-rlhf grpo`. */
export function registerGRPO(program: Command): void {
  const command = program
    .command('grpo')
    .description(
      'Group relative policy optimisation (or RLOO) against rules or a reward model; prompts are JSONL of { prompt, … }.',
    );
  addFlags(command, 'grpo').action(async (flags: SessionFlags) => {
    const config = await readConfig('grpo', { ...flags });
    const prompts = await readPrompts(config.prompts);
    await initialise(flags);
    using reward = await configuredReward(config);
    using policy = await loadModel(config.model);
    using reference = await loadModel(config.reference ?? config.model);
    const settings = {
      ...defined(
        config,
        ...([
          'model',
          'out',
          'prompts',
          'rewardModel',
          'rules',
          'harmPenalty',
          'batchSize',
          'algorithm',
        ] as const),
        ...(['klCoefficient', 'average', 'normalisation', 'validateEvery'] as const),
      ),
      policy,
      reference,
      prompts,
      reward: reward.reward,
    };
    const { algorithm, klCoefficient, average, normalisation } = config;
    await runSession(config, flags, (run) =>
      (algorithm === 'rloo'
        ? new RLOOTrainer({ ...settings, ...defined({ beta: klCoefficient }), ...run })
        : new GRPOTrainer({ ...settings, ...defined({ klCoefficient, average, normalisation }), ...run })
      ).train(),
    );
  });
}
