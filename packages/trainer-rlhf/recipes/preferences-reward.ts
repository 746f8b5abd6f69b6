/**
 * Step 2 of the preference run: reward models on HH-RLHF's comparisons. Five parts are held out in turn, so that every
 * comparison is judged once by models that never saw it, beside two baselines with the same parts: the longer (or
 * shorter) answer, and a logistic regression on the words of the two answers.
 *
 * The base model first reads the training dialogues as plain text, both answers, unlabelled. Parts that are done stay
 * done: stopped, the same command goes on with the next.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-reward.ts --base runs/base --out runs/reward
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { documentSource, GPT, initCompute, pretrain } from '@gpt-lineage/gpt-core';
import {
  preference,
  RewardEnsemble,
  RewardTrainer,
  ScalarHeadModel,
  signTest,
  wilsonInterval,
} from '../src/index.js';
import { copyVariables } from '../src/models/copy-model.js';
import { recipeArguments } from './arguments.js';
import { bagOfWordsBaseline, lengthBaseline } from './preference-baselines.js';
import { type Comparison, FOLDS, fitting, heldOutFold } from './preference-data.js';

const args = recipeArguments();
const out = args.text('out', 'runs/reward');
const seeds = args.number('seeds', 2);
const settings = {
  promptTokens: 56,
  answerTokens: 71,
  readingSteps: args.number('reading-steps', 200),
  epochs: args.number('epochs', 2),
  learningRate: args.number('learning-rate', 3e-4),
  dropout: 0.1,
};
await initCompute();

/** The base once it has read the dialogues, with dropout for what follows. */
async function reader(training: readonly Comparison[]): Promise<GPT> {
  using base = await GPT.load(args.text('base', 'runs/base'));
  const texts = training.flatMap(({ prompt, chosen, rejected }) => [
    prompt + chosen,
    prompt.slice(prompt.lastIndexOf('\n\nHuman:')) + rejected,
  ]);
  const { train } = documentSource(texts, base.tokenizer!, {
    contextLength: 256,
    documentEnd: base.tokenizer!.eosTokenId!,
    separateDocuments: false,
    sampling: 'shuffled',
    validationFraction: 0,
    seed: 1,
    name: 'dialogues',
  });
  const options = { batchSize: 16, learningRate: 1e-3, warmup: 10, weightDecay: 0.1, seed: 1 };
  for await (const event of pretrain(base, train, { ...options, steps: settings.readingSteps }))
    if (event.type === 'step' && event.step % 20 === 0)
      console.log(`reading ${event.step}: loss ${event.loss.toFixed(3)}`);
  const { dropout } = settings;
  const config = { ...base.config, residualDropout: dropout, embeddingDropout: dropout };
  const model = GPT.create(config as never, { tokenizer: base.tokenizer! });
  copyVariables(base.variables, model.variables);
  return model;
}

interface FoldOutcomes {
  readonly single: readonly (readonly boolean[])[];
  readonly ensemble: readonly boolean[];
  readonly length: readonly boolean[];
  readonly words: readonly boolean[];
}

async function judge(fold: number): Promise<FoldOutcomes> {
  const { training, heldOut } = heldOutFold(fold);
  using start = await reader(training);
  const [seen, unseen] = [fitting(training, start, settings), fitting(heldOut, start, settings)];
  console.log(`part ${fold}: ${seen.length} comparisons to train on, ${unseen.length} held out`);
  const rankings = seen.map(({ prompt, chosen, rejected }) => preference(prompt, chosen, rejected));
  const pairs = unseen.flatMap(({ prompt, chosen, rejected }) => [
    { prompt, completion: chosen },
    { prompt, completion: rejected },
  ]);
  const outcomes = (rewards: readonly number[]) =>
    unseen.map((_, at) => rewards[2 * at]! > rewards[2 * at + 1]!);
  const models: ScalarHeadModel[] = [];
  const single: boolean[][] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const model = ScalarHeadModel.create(start);
    const trainer = new RewardTrainer(model, rankings, {
      epochs: settings.epochs,
      batchSize: 32,
      learningRate: settings.learningRate,
      warmup: 8,
      weightDecay: 0.1,
      seed,
    });
    for await (const event of trainer.train())
      if (event.type === 'step' && event.step % 10 === 0)
        console.log(`part ${fold}, seed ${seed}, step ${event.step}: loss ${event.loss.toFixed(4)}`);
    // PPO wants rewards around 0 (InstructGPT, appendix C.2).
    await trainer.center(seen.slice(0, 200).map(({ prompt, chosen }) => ({ prompt, completion: chosen })));
    single.push(outcomes(await trainer.rewards(pairs)));
    console.log(`part ${fold}, seed ${seed}: ${share(single.at(-1)!)}`);
    models.push(model);
  }
  using ensemble = new RewardEnsemble(models);
  for (const [at, model] of models.entries()) await model.save(`${out}/part-${fold}/seed-${at + 1}`);
  return {
    single,
    ensemble: outcomes(await ensemble.rewards(pairs)),
    length: lengthBaseline(seen, unseen),
    words: bagOfWordsBaseline(seen, unseen),
  };
}

const share = (list: readonly boolean[]) => list.filter(Boolean).length / list.length;
const counted = (list: readonly boolean[]) => {
  const right = list.filter(Boolean).length;
  return { accuracy: right / list.length, ...wilsonInterval(right, list.length) };
};
const against = (ours: readonly boolean[], other: readonly boolean[]) => ({
  difference: share(ours) - share(other),
  pValue: signTest(
    ours.filter((hit, at) => hit && !other[at]).length,
    ours.filter((hit, at) => !hit && other[at]).length,
  ),
});

const parts = args
  .text('parts', [...Array(FOLDS).keys()].join(','))
  .split(',')
  .map(Number);
for (const fold of parts) {
  const file = `${out}/part-${fold}/outcomes.json`;
  if (existsSync(file)) continue;
  mkdirSync(`${out}/part-${fold}`, { recursive: true });
  writeFileSync(file, JSON.stringify(await judge(fold)));
}
const done = parts.map(
  (fold) => JSON.parse(readFileSync(`${out}/part-${fold}/outcomes.json`, 'utf8')) as FoldOutcomes,
);
const ours = done.flatMap(({ ensemble }) => ensemble);
const [length, words] = [done.flatMap((fold) => fold.length), done.flatMap((fold) => fold.words)];
const report = {
  settings: { ...settings, seeds },
  heldOutComparisons: ours.length,
  ensemble: counted(ours),
  pValueAgainstChance: signTest(ours.filter(Boolean).length, ours.filter((hit) => !hit).length),
  single: Array.from({ length: seeds }, (_, at) => counted(done.flatMap(({ single }) => single[at]!))),
  length: counted(length),
  bagOfWords: counted(words),
  againstLength: against(ours, length),
  againstBagOfWords: against(ours, words),
  parts: done.map((fold) => ({
    comparisons: fold.ensemble.length,
    ensemble: share(fold.ensemble),
    length: share(fold.length),
    bagOfWords: share(fold.words),
  })),
};
console.log(JSON.stringify(report, null, 2));
writeFileSync(`${out}/report.json`, `${JSON.stringify(report, null, 2)}\n`);
