import { readFile } from 'node:fs/promises';
import { textSource } from '@gpt-lineage/gpt-core';
import type { Command } from 'commander';
import { ScalarHeadModel } from '../../models/scalar-head.js';
import { AdaptiveKLController } from '../../objectives/kl.js';
import { PPOTrainer } from '../../trainers/ppo-trainer.js';
import { addFlags, readConfig, type SessionFlags } from '../config.js';
import { defined, readPrompts } from '../records.js';
import { configuredReward } from '../rewards.js';
import { initialise, loadModel, runSession } from '../session.js';

/** Adds `gpt-rlhf ppo`. */
export function registerPPO(program: Command): void {
  const command = program
    .command('ppo')
    .description(
      'Step 3: PPO, or PPO-ptx with --pretraining, against a reward model or rules; prompts are JSONL of { prompt, … }.',
    );
  addFlags(command, 'ppo').action(async (flags: SessionFlags) => {
    const config = await readConfig('ppo', { ...flags });
    const prompts = await readPrompts(config.prompts);
    const text =
      config.pretraining &&
      (await Promise.all(config.pretraining.map((path) => readFile(path, 'utf8')))).join('\n\n');
    await initialise(flags);
    using reward = await configuredReward(config);
    using policy = await loadModel(config.model);
    using reference = await loadModel(config.reference ?? config.model);
    using value = reward.model?.clone() ?? ScalarHeadModel.create(policy);
    const settings = defined(
      config,
      ...([
        'model',
        'out',
        'prompts',
        'rewardModel',
        'rules',
        'harmPenalty',
        'reference',
        'batchSize',
        'kl',
      ] as const),
      ...(['pretraining', 'pretrainingCoefficient', 'validateEvery'] as const),
    );
    const base = { ...settings, policy, reference, value, prompts, reward: reward.reward };
    const { rowLength } = new PPOTrainer(base);
    const source =
      text === undefined
        ? undefined
        : textSource(text, policy.tokenizer!, {
            contextLength: rowLength,
            validationFraction: 0,
            seed: config.seed ?? 0,
            name: 'pretraining text',
          }).train;
    await runSession(config, flags, (run) =>
      new PPOTrainer({
        ...base,
        ...(config.kl === undefined
          ? {}
          : { kl: typeof config.kl === 'number' ? config.kl : new AdaptiveKLController(defined(config.kl)) }),
        ...(source
          ? { pretraining: { source, ...defined({ coefficient: config.pretrainingCoefficient }) } }
          : {}),
        ...run,
      }).train(),
    );
  });
}
