/**
 * Step 2 of the preference run: reward models on HH-RLHF's comparisons. Five parts are held out in turn, so that every
 * comparison is judged once by models that never saw it, beside two baselines with the same parts: the longer (or
 * shorter) answer, and a logistic regression on the words of the two answers, which sees the answers whole.
 *
 * A reward model has a linear path from the answer's tokens beside its network. Both start as one regression, on the
 * tokens and on the hidden state at the answer's end, to convergence; `--epochs 1` goes on to train the whole network.
 * Settings were chosen on the last two parts; the report keeps the first three apart.
 * `--plain`: no linear path; the base first reads the training dialogues, both answers, unlabelled, then the network is
 * trained for two epochs; answers are cut to 71 tokens. PPO's report is of these models.
 *
 * Parts that are done stay done: stopped, the same command goes on with the next.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/preferences-reward.ts --base runs/base --out runs/reward
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { documentSource, GPT, initCompute, pretrain } from '@gpt-lineage/gpt-core';
import * as tf from '@tensorflow/tfjs-core';
import {
  preference,
  RewardEnsemble,
  RewardTrainer,
  ScalarHeadModel,
  signTest,
  wilsonInterval,
} from '../src/index.js';
import { copyVariables } from '../src/models/copy-model.js';
import { lastTokenMask } from '../src/objectives/masked.js';
import { sequenceLength, sequenceRows } from '../src/rollouts/sequence-rows.js';
import { encodeDemonstration } from '../src/trainers/sft-trainer.js';
import { recipeArguments } from './arguments.js';
import {
  type AnswerFeatures,
  bagOfWordsBaseline,
  lengthBaseline,
  linearReward,
} from './preference-baselines.js';
import { type Comparison, FOLDS, fitting, heldOutFold, shortened } from './preference-data.js';

const args = recipeArguments();
const out = args.text('out', 'runs/reward');
const plain = args.flag('plain');
const settings = {
  ...(plain ? { promptTokens: 56, answerTokens: 71 } : { promptTokens: 40, answerTokens: 160 }),
  ...(plain ? {} : { linear: { penalty: 10, share: 0.32 } }),
  readingSteps: args.number('reading-steps', plain ? 200 : 0),
  epochs: args.number('epochs', plain ? 2 : 0),
  learningRate: args.number('learning-rate', 3e-4),
  dropout: 0.1,
};
const seeds = args.number('seeds', settings.epochs > 0 ? 2 : 1);
/** Parts that had no say in the settings. */
const CONFIRMING = [0, 1, 2];
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
  const reading = settings.readingSteps > 0;
  for await (const event of reading
    ? pretrain(base, train, { ...options, steps: settings.readingSteps })
    : [])
    if (event.type === 'step' && event.step % 20 === 0)
      console.log(`reading ${event.step}: loss ${event.loss.toFixed(3)}`);
  const { dropout } = settings;
  const config = { ...base.config, residualDropout: dropout, embeddingDropout: dropout };
  const model = GPT.create(config as never, { tokenizer: base.tokenizer! });
  copyVariables(base.variables, model.variables);
  return model;
}

type PairFeatures = { readonly chosen: AnswerFeatures; readonly rejected: AnswerFeatures };
/** Of comparisons that the base was shown already, unless it learns to read first. */
const known = new Map<string, PairFeatures>();

async function allFeatures(model: GPT, list: readonly Comparison[]): Promise<PairFeatures[]> {
  if (settings.readingSteps > 0) return featuresOf(model, list);
  const key = (comparison: Comparison) => JSON.stringify(comparison);
  const fresh = list.filter((comparison) => !known.has(key(comparison)));
  for (const [at, features] of (await featuresOf(model, fresh)).entries())
    known.set(key(fresh[at]!), features);
  return list.map((comparison) => known.get(key(comparison))!);
}

/** What a linear reward sees of every answer. */
async function featuresOf(model: GPT, list: readonly Comparison[]): Promise<PairFeatures[]> {
  const sequences = list.flatMap(({ prompt, chosen, rejected }) =>
    [chosen, rejected].map((completion) => encodeDemonstration(model, { prompt, completion })),
  );
  const byLength = sequences
    .map((sequence, at) => ({ sequence, at, length: sequenceLength(sequence) }))
    .sort((a, b) => a.length - b.length);
  const features: AnswerFeatures[] = [];
  for (let start = 0; start < byLength.length; start += 32) {
    const batch = byLength.slice(start, start + 32);
    const length = batch.at(-1)!.length;
    const rows = sequenceRows(
      batch.map(({ sequence }) => sequence),
      length,
    );
    const states = tf.tidy(() => {
      const shape: [number, number] = [batch.length, length];
      const tokenIds = tf.tensor2d(rows.tokenIds, shape, 'int32');
      const attentionMask = tf.tensor2d(rows.attentionMask, shape, 'int32');
      const { lastHiddenState } = model.forward(tokenIds, { attentionMask, logits: 'none' });
      const last = lastTokenMask(tf.cast(attentionMask, 'float32') as tf.Tensor2D);
      return tf.sum(tf.mul(lastHiddenState, tf.expandDims(last, 2)), 1) as tf.Tensor2D;
    });
    const data = await states.data();
    const [, width = 0] = states.shape;
    states.dispose();
    for (const [row, { sequence, at }] of batch.entries())
      features[at] = {
        tokens: sequence.completionTokenIds,
        hidden: data.slice(row * width, (row + 1) * width),
      };
  }
  return list.map((_, at) => ({ chosen: features[2 * at]!, rejected: features[2 * at + 1]! }));
}

interface FoldOutcomes {
  readonly single: readonly (readonly boolean[])[];
  readonly ensemble: readonly boolean[];
  /** The linear start alone. */
  readonly linear?: readonly boolean[];
  readonly length: readonly boolean[];
  readonly words: readonly boolean[];
}

async function judge(fold: number): Promise<FoldOutcomes> {
  const { training, heldOut } = heldOutFold(fold);
  using start = await reader(training);
  console.log(`part ${fold}: read`);
  const prepared = plain ? fitting : shortened;
  const [seen, unseen] = [prepared(training, start, settings), prepared(heldOut, start, settings)];
  console.log(`part ${fold}: ${seen.length} comparisons to train on, ${unseen.length} held out`);
  const rankings = seen.map(({ prompt, chosen, rejected }) => preference(prompt, chosen, rejected));
  const pairs = unseen.flatMap(({ prompt, chosen, rejected }) => [
    { prompt, completion: chosen },
    { prompt, completion: rejected },
  ]);
  const outcomes = (rewards: readonly number[]) =>
    unseen.map((_, at) => rewards[2 * at]! > rewards[2 * at + 1]!);
  const weights =
    settings.linear && linearReward(await allFeatures(start, seen), start.config.vocabSize, settings.linear);
  const models: ScalarHeadModel[] = [];
  let linear: boolean[] | undefined;
  const single: boolean[][] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const model = ScalarHeadModel.create(start, { tokenWeights: weights !== undefined });
    if (weights) model.setWeights(weights);
    const trainer = new RewardTrainer(model, rankings, {
      epochs: settings.epochs,
      batchSize: 32,
      learningRate: settings.learningRate,
      warmup: 8,
      weightDecay: 0.1,
      seed,
    });
    if (weights && settings.epochs > 0) linear ??= outcomes(await trainer.rewards(pairs));
    for await (const event of settings.epochs > 0 ? trainer.train() : [])
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
    ...(linear ? { linear } : {}),
    // The baselines see whole answers, but where the plain run leaves comparisons out.
    length: plain ? lengthBaseline(seen, unseen) : lengthBaseline(training, heldOut),
    words: plain ? bagOfWordsBaseline(seen, unseen) : bagOfWordsBaseline(training, heldOut),
  };
}

const share = (list: readonly boolean[]) => list.filter(Boolean).length / list.length;
const counted = (list: readonly boolean[]) => {
  const right = list.filter(Boolean).length;
  return { accuracy: right / list.length, ...wilsonInterval(right, list.length) };
};
/** The difference with its 95 % interval, of pairs. */
const against = (ours: readonly boolean[], other: readonly boolean[]) => {
  const wins = ours.filter((hit, at) => hit && !other[at]).length;
  const losses = ours.filter((hit, at) => !hit && other[at]).length;
  const difference = (wins - losses) / ours.length;
  const error = Math.sqrt((wins + losses) / ours.length - difference ** 2) / Math.sqrt(ours.length);
  return {
    difference,
    low: difference - 1.96 * error,
    high: difference + 1.96 * error,
    pValue: signTest(wins, losses),
  };
};

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
function summary(list: readonly FoldOutcomes[]) {
  const ours = list.flatMap(({ ensemble }) => ensemble);
  const [length, words] = [list.flatMap((fold) => fold.length), list.flatMap((fold) => fold.words)];
  const linear = list.flatMap((fold) => fold.linear ?? []);
  return {
    heldOutComparisons: ours.length,
    ensemble: counted(ours),
    pValueAgainstChance: signTest(ours.filter(Boolean).length, ours.filter((hit) => !hit).length),
    single: Array.from({ length: seeds }, (_, at) => counted(list.flatMap(({ single }) => single[at]!))),
    length: counted(length),
    bagOfWords: counted(words),
    againstLength: against(ours, length),
    againstBagOfWords: against(ours, words),
    ...(linear.length > 0 ? { linearStart: counted(linear), againstLinearStart: against(ours, linear) } : {}),
  };
}
const report = {
  settings: { ...settings, seeds },
  ...summary(done),
  ...(plain ? {} : { confirming: summary(done.filter((_, at) => CONFIRMING.includes(parts[at]!))) }),
  parts: done.map((fold) => ({
    comparisons: fold.ensemble.length,
    ensemble: share(fold.ensemble),
    ...(fold.linear ? { linearStart: share(fold.linear) } : {}),
    length: share(fold.length),
    bagOfWords: share(fold.words),
  })),
};
console.log(JSON.stringify(report, null, 2));
writeFileSync(`${out}/report.json`, `${JSON.stringify(report, null, 2)}\n`);
