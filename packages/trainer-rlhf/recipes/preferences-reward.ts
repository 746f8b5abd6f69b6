/**
 * Step 2 of the preference run: reward models on HH-RLHF's comparisons, beside two baselines on the same split: the longer
 * (or shorter) answer, and a logistic regression on the words of the two answers.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-reward.ts --sft runs/sft --out runs/reward
 */
import { writeFileSync } from 'node:fs';
import { GPT, initCompute } from '@gpt-lineage/gpt-core';
import {
  preference,
  RewardEnsemble,
  RewardTrainer,
  ScalarHeadModel,
  signTest,
  wilsonInterval,
} from '../src/index.js';
import { recipeArguments } from './arguments.js';
import { bagOfWordsBaseline, lengthBaseline } from './preference-baselines.js';
import { fittingComparisons, SPLIT_SEED, split } from './preference-data.js';

const args = recipeArguments();
const out = args.text('out', 'runs/reward');
const seeds = args.number('seeds', 1);
await initCompute();
using sft = await GPT.load(args.text('sft', 'runs/sft'));
const { training, heldOut } = split(fittingComparisons(sft), 0.2, SPLIT_SEED);
console.log(`${training.length} comparisons to train on, ${heldOut.length} held out`);
const rankings = training.map(({ prompt, chosen, rejected }) => preference(prompt, chosen, rejected));
const length = lengthBaseline(training, heldOut);
const words = bagOfWordsBaseline(training, heldOut);
const share = (outcomes: readonly boolean[]) => outcomes.filter(Boolean).length / outcomes.length;
console.log(`length ${share(length).toFixed(4)}, bag of words ${share(words).toFixed(4)}`);

const models: ScalarHeadModel[] = [];
const single: number[] = [];
const pairs = heldOut.flatMap(({ prompt, chosen, rejected }) => [
  { prompt, completion: chosen },
  { prompt, completion: rejected },
]);
const outcomesOf = (rewards: readonly number[]) =>
  heldOut.map((_, at) => rewards[2 * at]! > rewards[2 * at + 1]!);
for (let seed = 1; seed <= seeds; seed++) {
  const model = ScalarHeadModel.create(sft);
  const trainer = new RewardTrainer(model, rankings, {
    epochs: args.number('epochs', 1),
    batchSize: 32,
    learningRate: args.number('learning-rate', 2e-4),
    warmup: 8,
    weightDecay: 0.1,
    seed,
  });
  for await (const event of trainer.train())
    if (event.type === 'step' && event.step % 10 === 0)
      console.log(`seed ${seed}, step ${event.step}: loss ${event.loss.toFixed(4)}`);
  const rewards = await trainer.rewards(pairs);
  single.push(share(outcomesOf(rewards)));
  console.log(`seed ${seed}: held-out accuracy ${single.at(-1)!.toFixed(4)}`);
  await trainer.center(training.slice(0, 200).map(({ prompt, chosen }) => ({ prompt, completion: chosen })));
  models.push(model);
}
using ensemble = new RewardEnsemble(models);
const ours = outcomesOf(await ensemble.rewards(pairs));
await models[single.indexOf(Math.max(...single))]!.save(out);
const right = ours.filter(Boolean).length;
const better = ours.filter((hit, at) => hit && !words[at]).length;
const worse = ours.filter((hit, at) => !hit && words[at]).length;
const report = {
  trainingComparisons: training.length,
  heldOutComparisons: heldOut.length,
  single,
  ensemble: {
    accuracy: right / ours.length,
    ...wilsonInterval(right, ours.length),
    pValueAgainstChance: signTest(right, ours.length - right),
  },
  baselines: { length: share(length), bagOfWords: share(words) },
  againstBagOfWords: { difference: share(ours) - share(words), pValue: signTest(better, worse) },
};
console.log(JSON.stringify(report));
writeFileSync(`${out}/report.json`, `${JSON.stringify(report, null, 2)}\n`);
