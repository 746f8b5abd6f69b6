/**
 * Arithmetic: a small GPT is fine-tuned on additions of which a third show their work and the rest give the answer only.
 * Self-improvement without labels, and GRPO with a rule reward, each raise its exact match on GPT-3's public three-digit
 * set, of which training saw no sum in either order. `arithmetic-report.ts` puts the seeds together.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/arithmetic.ts --seed 1 --out runs/arithmetic-1.json
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CharacterTokenizer, GPT, initCompute } from '@gpt-lineage/gpt-core';
import {
  copyModel,
  extractNumber,
  GRPOTrainer,
  numericRule,
  RuleBasedReward,
  SelfImprovement,
  SFTTrainer,
} from '../src/index.js';
import { seededRandom } from '../src/trainers/seeded-order.js';
import { recipeArguments } from './arguments.js';
import { demonstrationOf, freeSums, heldOut, keyOf, promptOf } from './arithmetic-data.js';

const args = recipeArguments();
const seed = args.number('seed', 1);
const out = args.text('out', '');
const start = args.text('start', ''); // where the SFT model is kept, to train it once
const startIsTrained = existsSync(start);
const only = args.text('only', 'improve,grpo').split(',');
const settings = {
  demonstrations: args.number('demonstrations', 4800),
  worked: args.number('worked', 1 / 3),
  sftEpochs: args.number('sft-epochs', 10),
  sftLearningRate: 2e-3,
  rounds: args.number('rounds', 2),
  questions: args.number('questions', 700),
  paths: args.number('paths', 12),
  temperatures: args.text('temperatures', '0.7,1').split(',').map(Number),
  minimumShare: args.number('minimum-share', 0.25),
  keep: args.number('keep', 2),
  improvementEpochs: args.number('improvement-epochs', 3),
  improvementLearningRate: args.number('improvement-learning-rate', 3e-4),
  grpoIterations: args.number('grpo-iterations', 40),
  groups: args.number('groups', 16),
  groupSize: args.number('group-size', 8),
  grpoMinibatch: args.number('grpo-minibatch', 64),
  grpoLearningRate: args.number('grpo-learning-rate', 1e-4),
};
const CONTEXT = 68;
const MAX_TOKENS = 38;

const started = performance.now();
const secondsSince = (from: number) => Math.round((performance.now() - from) / 1000);
const log = (message: string) => console.log(`${String(secondsSince(started)).padStart(5)} s  ${message}`);
const percent = (value: number) => `${(100 * value).toFixed(1)} %`;

const compute = await initCompute();
const publicSet = heldOut('three_digit_addition');
const test = publicSet.slice(0, args.number('held-out', 2000));
const sums = freeSums(3, seededRandom(seed, 20_201), new Set(publicSet.map(keyOf)));
const shown = sums.slice(0, settings.demonstrations);
const shownKeys = new Set(shown.map(keyOf));
const unseen = sums.slice(shown.length).filter((sum) => !shownKeys.has(keyOf(sum))); // nor their mirror images
const questions = unseen.slice(0, settings.questions);

const tokenizer = CharacterTokenizer.train('\nQ: What is plus?A0123456789+= so.');
using model = startIsTrained
  ? await GPT.load(start)
  : GPT.create(
      {
        vocabSize: tokenizer.vocabSize,
        contextLength: CONTEXT,
        nLayer: 3,
        nHead: 4,
        nEmbd: 96,
        embeddingDropout: 0,
        attentionDropout: 0,
        residualDropout: 0,
        eosTokenId: tokenizer.encode('.')[0]!,
      },
      { seed, tokenizer },
    );
log(`${compute.backend}, seed ${seed}, ${model.parameterCount} parameters, ${unseen.length} sums not shown`);

/** Exact match on the held-out sums, the share of answers that show their work, and how often those are right. */
async function evaluate(name: string, policy: GPT, { temperature = 0, items = test } = {}) {
  const outcomes: number[] = [];
  let [shows, showsAndRight] = [0, 0];
  for (let from = 0; from < items.length; from += 250) {
    const batch = items.slice(from, from + 250);
    const seeds = batch.map((_, at) => 7919 + from + at);
    const results = await policy.generate(batch.map(promptOf), { maxTokens: MAX_TOKENS, temperature, seeds });
    for (const [at, { text }] of results.entries()) {
      const right = Number(extractNumber(text) === batch[at]!.a + batch[at]!.b);
      outcomes.push(right);
      if (!text.includes('=')) continue;
      shows += 1;
      showsAndRight += right;
    }
  }
  const right = outcomes.reduce((sum, value) => sum + value, 0);
  const accuracy = right / items.length;
  const workShown = shows / items.length;
  const accuracyWithWork = showsAndRight / Math.max(1, shows);
  const accuracyWithout = (right - showsAndRight) / Math.max(1, items.length - shows);
  log(
    `${name}: ${percent(accuracy)}; shows work ${percent(workShown)}: right ${percent(accuracyWithWork)}, else ${percent(accuracyWithout)}`,
  );
  return { accuracy, workShown, accuracyWithWork, accuracyWithout, outcomes };
}

async function results(name: string, policy: GPT) {
  const greedy = await evaluate(`${name}, greedy`, policy);
  const { outcomes: _, ...sampled } = await evaluate(`${name}, sampled`, policy, {
    temperature: 1,
    items: test.slice(0, 500),
  });
  return { greedy, sampled };
}

if (!startIsTrained) {
  const sft = new SFTTrainer(
    model,
    shown.map((sum, index) => demonstrationOf(sum, index < settings.worked * shown.length)),
    {
      epochs: settings.sftEpochs,
      batchSize: 32,
      packing: 'none',
      learningRate: settings.sftLearningRate,
      warmup: 20,
      weightDecay: 0.1,
      seed,
    },
  );
  for await (const event of sft.train())
    if (event.type === 'step' && event.step % 100 === 0)
      log(`SFT ${event.step}: loss ${event.loss.toFixed(3)}`);
  if (start) await model.save(start);
}
const sftSeconds = startIsTrained ? null : secondsSince(started);
const sft = { ...(await results('SFT', model)), seconds: sftSeconds };

async function improve() {
  using student = copyModel(model);
  const from = performance.now();
  const improvement = new SelfImprovement({
    model: student,
    // The answers are for the report (vote accuracy); training never sees them.
    questions: questions.map((sum) => ({ question: promptOf(sum), answer: String(sum.a + sum.b) })),
    formats: [{ name: 'columns', prompt: (question) => question }],
    rounds: settings.rounds,
    paths: settings.paths,
    temperatures: settings.temperatures,
    keep: settings.keep,
    minimumShare: settings.minimumShare,
    maxTokens: MAX_TOKENS,
    seed,
    training: {
      epochs: settings.improvementEpochs,
      batchSize: 32,
      packing: 'none',
      learningRate: settings.improvementLearningRate,
      warmup: 20,
    },
  });
  const rounds = [];
  for await (const event of improvement.run()) {
    if (event.type !== 'round') continue;
    const { round, voteMargin, voteAccuracy, questionsKept, examples } = event;
    const { accuracy: accuracyBefore } = await evaluate('500 held out, greedy', student, {
      items: test.slice(0, 500),
    });
    rounds.push({ round, accuracyBefore, voteMargin, voteAccuracy, questionsKept, examples });
    log(
      `round ${round}: vote right ${percent(voteAccuracy!)}, margin ${voteMargin.toFixed(2)}, kept ${questionsKept}`,
    );
  }
  const seconds = secondsSince(from);
  return { ...(await results('self-improvement', student)), rounds, seconds };
}

async function grpo() {
  using student = copyModel(model);
  const from = performance.now();
  const rules = new RuleBasedReward({ rules: [numericRule()] });
  const trainer = new GRPOTrainer({
    policy: student,
    prompts: unseen
      .slice(0, 4000)
      .map((sum) => ({ prompt: promptOf(sum), record: { answer: sum.a + sum.b } })),
    reward: async (rollouts) => (await rules.scoreAll(rollouts)).map((score) => score.reward),
    iterations: settings.grpoIterations,
    groups: settings.groups,
    groupSize: settings.groupSize,
    minibatch: settings.grpoMinibatch,
    maxTokens: MAX_TOKENS,
    learningRate: settings.grpoLearningRate,
    warmup: 20,
    klCoefficient: 0,
    seed,
  });
  const rewards: number[] = [];
  for await (const event of trainer.train()) {
    if (event.type !== 'rollout') continue;
    const { reward, entropy } = event.metrics;
    rewards.push(reward!);
    if (event.iteration % 10 === 0)
      log(`GRPO ${event.iteration}: reward ${reward!.toFixed(3)}, entropy ${entropy!.toFixed(3)}`);
  }
  const seconds = secondsSince(from);
  return { ...(await results('GRPO', student)), rewards, seconds };
}

const report = {
  seed,
  backend: compute.backend,
  parameters: model.parameterCount,
  heldOut: test.length,
  settings,
  sft,
  ...(only.includes('improve') ? { selfImprovement: await improve() } : {}),
  ...(only.includes('grpo') ? { grpo: await grpo() } : {}),
};
if (out) {
  await mkdir(dirname(out), { recursive: true });
  await writeFile(out, `${JSON.stringify(report)}\n`);
}
