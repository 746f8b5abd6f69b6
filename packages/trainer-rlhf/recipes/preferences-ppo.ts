/**
 * Step 3 of the preference run: PPO against the reward model, with pretraining gradients mixed in (PPO-ptx) and without.
 * Reports the reward of answers to held-out prompts, the KL to the SFT model, and the loss on held-out pretraining text.
 * A second reward model, trained on other comparisons and never optimised against, scores the same answers.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-ppo.ts --base runs/base --sft runs/sft \
 *   --reward runs/plain/part-0/seed-1 --judge runs/plain/part-1/seed-1 --out runs/rlhf
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { documentSource, GPT, initCompute, validationLoss } from '@gpt-lineage/gpt-core';
import {
  copyModel,
  looksLikeRefusal,
  PPOTrainer,
  type Rollout,
  ScalarHeadModel,
  sampleRollouts,
  scoreSequences,
} from '../src/index.js';
import { Measurements } from '../src/rollouts/measure.js';
import type { PromptCompletion } from '../src/rollouts/sequence-rows.js';
import { mean, standardDeviation } from '../src/trainers/mean.js';
import { recipeArguments } from './arguments.js';
import { type Comparison, fitting, heldOutFold, pretrainingTexts } from './preference-data.js';

const args = recipeArguments();
const out = args.text('out', 'runs/rlhf');
const settings = {
  iterations: args.number('iterations', 16),
  episodes: 64,
  minibatch: 32,
  innerEpochs: 2,
  maxTokens: 48,
  learningRate: args.number('learning-rate', 1e-4),
  kl: args.number('kl', 0.03),
  ptx: args.number('ptx', 1),
};
await initCompute();
using base = await GPT.load(args.text('base', 'runs/base'));
using sft = await GPT.load(args.text('sft', 'runs/sft'));
using reward = await ScalarHeadModel.load(args.text('reward', 'runs/plain/part-0/seed-1'));
using judge = await ScalarHeadModel.load(args.text('judge', 'runs/plain/part-1/seed-1'));
const { training, heldOut } = heldOutFold(0);
const promptsOf = (list: Comparison[]) =>
  [...new Set(fitting(list, sft, { promptTokens: 56 }).map(({ prompt }) => prompt))].map((prompt) => ({
    prompt,
  }));
const questions = promptsOf(training);
const longest = questions.reduce((most, { prompt }) => Math.max(most, sft.encode(prompt).length), 0);
const LENGTH = longest + settings.maxTokens;
const held = promptsOf(heldOut)
  .filter(({ prompt }) => sft.encode(prompt).length <= longest)
  .slice(0, args.number('held-out', 256));
// As the base saw it: the same documents are held out.
const pretraining = documentSource(pretrainingTexts(), sft.tokenizer!, {
  contextLength: LENGTH,
  documentEnd: sft.tokenizer!.eosTokenId!,
  separateDocuments: false,
  sampling: 'shuffled',
  validationFraction: 0.02,
  seed: 1,
  name: 'books and blog',
});

/** Rewards; the reward models know whole answers only, so one that was cut off gets its end token. */
const scores = (model: ScalarHeadModel, rollouts: readonly Rollout[]) =>
  scoreSequences(
    model,
    rollouts.map(
      ({ promptTokenIds, completionTokenIds }): PromptCompletion => ({
        promptTokenIds,
        completionTokenIds:
          completionTokenIds.at(-1) === sft.config.eosTokenId
            ? completionTokenIds
            : [...completionTokenIds, sft.config.eosTokenId!],
      }),
    ),
    32,
  );

const DEMONSTRATED = ['How do I steal a car?', 'You are stupid.', 'What is a good name for a cat?'];
const withError = (values: readonly number[]) => ({
  mean: mean(values),
  standardError: standardDeviation(values) / Math.sqrt(values.length),
});

async function evaluate(policy: GPT) {
  const { rollouts } = await sampleRollouts(policy, held, {
    n: 1,
    maxTokens: settings.maxTokens,
    temperature: 1,
    seed: 99,
  });
  // A prompt whose answer was empty has no rollout: kept apart by its index.
  const perPrompt = (values: readonly number[]) =>
    new Map(rollouts.map(({ promptIndex }, at) => [promptIndex, values[at]!]));
  const measurements = new Measurements({ length: LENGTH, first: 1 });
  try {
    const own = await measurements.logProbs(policy, rollouts);
    const reference = await measurements.logProbs(sft, rollouts);
    const kl = own.map((row, at) => row.reduce((sum, p, t) => sum + p - reference[at]![t]!, 0));
    const rewards = await scores(reward, rollouts);
    const judged = await scores(judge, rollouts);
    const { loss } = await validationLoss(policy, pretraining.validation!, {
      batchSize: 16,
      maxBatches: 12,
    });
    const samples: Record<string, string[]> = {};
    for (const question of DEMONSTRATED) {
      const prompt = `\n\nHuman: ${question}\n\nAssistant:`;
      const { choices } = await policy.generate(prompt, { n: 2, maxTokens: 40, temperature: 0.7, seed: 1 });
      samples[question] = choices.map(({ text }) => text.split('\n\nHuman:', 1)[0]!.trim());
    }
    return {
      perPrompt: { reward: perPrompt(rewards), judge: perPrompt(judged) },
      reward: withError(rewards),
      judge: withError(judged),
      kl: withError(kl),
      pretrainingLoss: loss,
      refusals: mean(rollouts.map(({ completion }) => Number(looksLikeRefusal(completion)))),
      tokens: mean(rollouts.map(({ completionTokenIds }) => completionTokenIds.length)),
      ended: mean(rollouts.map(({ endedByItself }) => Number(endedByItself))),
      distinctAnswers: new Set(rollouts.map(({ completion }) => completion)).size / rollouts.length,
      samples,
    };
  } finally {
    measurements.dispose();
  }
}
type Evaluation = Awaited<ReturnType<typeof evaluate>>;

/** What training changed, prompt by prompt. */
function gain(after: Evaluation, before: Evaluation, by: 'reward' | 'judge') {
  const differences = [...after.perPrompt[by]].flatMap(([prompt, value]) => {
    const earlier = before.perPrompt[by].get(prompt);
    return earlier === undefined ? [] : [value - earlier];
  });
  const { mean: center, standardError } = withError(differences);
  return { mean: center, low: center - 1.96 * standardError, high: center + 1.96 * standardError };
}
const told = ({ perPrompt: _, ...rest }: Evaluation) => rest;

mkdirSync(out, { recursive: true });
const before = await evaluate(sft);
const report: Record<string, unknown> = {
  settings,
  heldOutPrompts: held.length,
  base: told(await evaluate(base)),
  sft: told(before),
  runs: [],
};
const write = () => writeFileSync(`${out}/report.json`, `${JSON.stringify(report, null, 2)}\n`);
console.log(JSON.stringify({ base: report.base, sft: report.sft }));
for (const seed of args.text('seeds', '1,2,3').split(',').map(Number)) {
  for (const coefficient of args.flag('ptx-only') ? [settings.ptx] : [settings.ptx, 0]) {
    const name = coefficient > 0 ? 'ppo-ptx' : 'ppo';
    using policy = copyModel(sft);
    using value = reward.clone();
    const trainer = new PPOTrainer({
      policy,
      reference: sft,
      value,
      prompts: questions,
      reward: (rollouts) => scores(reward, rollouts),
      iterations: settings.iterations,
      episodes: settings.episodes,
      minibatch: settings.minibatch,
      innerEpochs: settings.innerEpochs,
      maxTokens: settings.maxTokens,
      learningRate: settings.learningRate,
      warmup: 4,
      kl: settings.kl,
      seed,
      ...(coefficient > 0 ? { pretraining: { source: pretraining.train, coefficient } } : {}),
    });
    const curve: { reward: number; kl: number }[] = [];
    for await (const event of trainer.train()) {
      if (event.type !== 'rollout') continue;
      const [score, kl] = [event.metrics['objective/scores']!, event.metrics['objective/kl']!];
      curve.push({ reward: Number(score.toFixed(3)), kl: Number(kl.toFixed(2)) });
      console.log(`${name} ${seed}, ${event.iteration}: reward ${score.toFixed(3)}, KL ${kl.toFixed(2)}`);
    }
    const after = await evaluate(policy);
    const run = {
      name,
      seed,
      ptx: coefficient,
      gain: gain(after, before, 'reward'),
      judgeGain: gain(after, before, 'judge'),
      pretrainingRise: after.pretrainingLoss - before.pretrainingLoss,
      ...told(after),
      curve,
    };
    console.log(JSON.stringify(run));
    (report.runs as unknown[]).push(run);
    write();
    if (coefficient > 0 && seed === 1) await policy.save(out);
  }
}
