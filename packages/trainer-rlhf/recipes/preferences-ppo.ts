/**
 * Step 3 of the preference run: PPO against the reward model, once with pretraining gradients mixed in (PPO-ptx) and once
 * without. Reports the mean reward of held-out prompts, the KL to the SFT model, and the loss on pretraining text.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-ppo.ts --sft runs/sft --reward runs/reward --out runs/rlhf
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { GPT, initCompute, textSource, validationLoss } from '@gpt-lineage/gpt-core';
import {
  copyModel,
  PPOTrainer,
  type RolloutEvent,
  ScalarHeadModel,
  sampleRollouts,
  scoreSequences,
} from '../src/index.js';
import { Measurements } from '../src/rollouts/measure.js';
import { mean, standardDeviation } from '../src/trainers/mean.js';
import { recipeArguments } from './arguments.js';
import { fittingComparisons, pretrainingTexts, SPLIT_SEED, split } from './preference-data.js';

const args = recipeArguments();
const out = args.text('ppo-out', args.text('out', 'runs/rlhf'));
const iterations = args.number('iterations', 14);
const MAX_TOKENS = 32;
await initCompute();
using sft = await GPT.load(args.text('sft', 'runs/sft'));
using reward = await ScalarHeadModel.load(args.text('reward', 'runs/reward'));
const { training, heldOut } = split(fittingComparisons(sft, 56), 0.2, SPLIT_SEED);
const promptsOf = (list: typeof training) =>
  [...new Set(list.map(({ prompt }) => prompt))].map((prompt) => ({ prompt }));
const questions = promptsOf(training);
const LENGTH =
  MAX_TOKENS + questions.reduce((most, { prompt }) => Math.max(most, sft.encode(prompt).length), 0);
const held = promptsOf(heldOut)
  .filter(({ prompt }) => sft.encode(prompt).length + MAX_TOKENS <= LENGTH)
  .slice(0, args.number('held-out', 96));
const text = pretrainingTexts().slice(-60).join('\n\n');
const pretraining = textSource(text, sft.tokenizer!, {
  contextLength: LENGTH,
  validationFraction: 0.2,
  seed: 1,
});

/** Reward of answers to held-out prompts, their KL to the SFT model in nats per answer, and the pretraining loss. */
async function evaluate(policy: GPT) {
  const { rollouts } = await sampleRollouts(policy, held, {
    n: 1,
    maxTokens: MAX_TOKENS,
    temperature: 1,
    seed: 99,
  });
  const rewards = await scoreSequences(reward, rollouts, 32);
  const measurements = new Measurements(LENGTH);
  try {
    const own = await measurements.logProbs(policy, rollouts);
    const reference = await measurements.logProbs(sft, rollouts);
    const kl = own.logProbs.map((row, at) =>
      row.reduce((sum, p, t) => sum + p - reference.logProbs[at]![t]!, 0),
    );
    const { loss } = await validationLoss(policy, pretraining.validation!, { batchSize: 16, maxBatches: 6 });
    return {
      reward: mean(rewards),
      rewardStandardError: standardDeviation(rewards) / Math.sqrt(rewards.length),
      kl: mean(kl),
      pretrainingLoss: loss,
      sample: `${rollouts[0]!.prompt}${rollouts[0]!.completion}`,
    };
  } finally {
    measurements.dispose();
  }
}

const before = await evaluate(sft);
console.log(`SFT: ${JSON.stringify(before)}`);
const results: Record<string, unknown> = { sft: before, iterations, heldOutPrompts: held.length };
mkdirSync(out, { recursive: true });
for (const [name, coefficient] of [
  ['ppo-ptx', args.number('ptx', 4)],
  ['ppo', 0],
] as const) {
  using policy = copyModel(sft);
  using value = reward.clone();
  const trainer = new PPOTrainer({
    policy,
    reference: sft,
    value,
    prompts: questions,
    reward: (rollouts) => scoreSequences(reward, rollouts, 32),
    iterations,
    episodes: 32,
    minibatch: 32,
    innerEpochs: 2,
    maxTokens: MAX_TOKENS,
    learningRate: args.number('learning-rate', 5e-5),
    warmup: 4,
    kl: 0.02,
    seed: 1,
    ...(coefficient > 0 ? { pretraining: { source: pretraining.train, coefficient } } : {}),
  });
  const curve: RolloutEvent['metrics'][] = [];
  for await (const event of trainer.train()) {
    if (event.type !== 'rollout') continue;
    curve.push(event.metrics);
    console.log(
      `${name} ${event.iteration}: score ${event.metrics['objective/scores']!.toFixed(3)}, KL ${event.metrics['objective/kl']!.toFixed(2)}`,
    );
  }
  const after = await evaluate(policy);
  console.log(`${name}: ${JSON.stringify(after)}`);
  results[name] = { coefficient, ...after, curve };
  if (coefficient > 0) await policy.save(out);
}
writeFileSync(`${out}/report.json`, `${JSON.stringify(results, null, 2)}\n`);
