/**
 * Arithmetic: a small GPT learns column addition from few demonstrations; self-improvement and GRPO with a rule reward
 * raise its exact match on the public sets of GPT-3, of which training saw no sum in either order.
 *
 * npx tsx --conditions=@gpt-lineage/source recipes/arithmetic.ts --seed 1 --out runs/arithmetic-1.json
 */
import { existsSync, writeFileSync } from 'node:fs';
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
import { heldOut, keyOf, promptOf, type Sum, trainingSums, workedAnswer } from './arithmetic-data.js';

const args = recipeArguments();
const seed = args.number('seed', 1);
const demonstrationsPerSize = args.number('demonstrations', 400);
const sftSteps = args.number('sft-steps', 450);
const grpoIterations = args.number('grpo-iterations', 110);
const rounds = args.number('rounds', 2);
const out = args.text('out', '');
const only = args.text('only', 'improve,grpo').split(',');
const started = performance.now();
const log = (message: string) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${message}`);

const compute = await initCompute();
log(`${compute.backend}, seed ${seed}`);

const digits = args.number('digits', 2);
const sets = { [`${digits} digits`]: heldOut(digits === 2 ? 'two_digit_addition' : 'three_digit_addition') };
const random = seededRandom(seed, 20_201);
const taken = new Set(Object.values(sets).flat().map(keyOf));
const draw = (count: number) => trainingSums(count, digits, random, taken);
const demonstrations = draw(demonstrationsPerSize).map((sum) => ({
  prompt: promptOf(sum),
  completion: workedAnswer(sum),
}));
const validation = draw(64).map((sum) => ({ prompt: promptOf(sum), completion: workedAnswer(sum) }));
const questions = draw(args.number('questions', 500));

const tokenizer = CharacterTokenizer.train('\nQ: What is plus?A0123456789+= so.');
const MAX_TOKENS = digits === 2 ? 30 : 40;
const CONTEXT = digits === 2 ? 64 : 80;
const start = args.text('start', ''); // a saved SFT model, to skip its training
using model = existsSync(start)
  ? await GPT.load(start)
  : GPT.create(
      {
        vocabSize: tokenizer.vocabSize,
        contextLength: CONTEXT,
        nLayer: 3,
        nHead: 4,
        nEmbd: args.number('width', 96),
        embeddingDropout: 0,
        attentionDropout: 0,
        residualDropout: 0,
        eosTokenId: tokenizer.encode('.')[0]!,
      } as never,
      { seed, tokenizer },
    );
log(
  `${model.parameterCount} parameters, ${demonstrations.length} demonstrations, ${questions.length} questions`,
);

/** Exact match on the public sets, greedy and sampled at temperature 1; the items' outcomes for intervals. */
async function evaluate(policy: GPT, limit = args.number('held-out', 1000)) {
  const outcomes: Record<string, number[]> = {};
  for (const [name, sums] of Object.entries(sets)) {
    for (const temperature of [0, 1]) {
      const list: number[] = [];
      for (let start = 0; start < Math.min(limit, sums.length); start += 250) {
        const batch = sums.slice(start, Math.min(limit, start + 250));
        const sampling = { temperature, seeds: batch.map((_, at) => 7919 + start + at) };
        const results = await policy.generate(batch.map(promptOf), { maxTokens: MAX_TOKENS, ...sampling });
        list.push(
          ...results.map((result, at) => Number(extractNumber(result.text) === batch[at]!.a + batch[at]!.b)),
        );
      }
      outcomes[`${name}, ${temperature === 0 ? 'greedy' : 'sampled'}`] = list;
    }
  }
  const accuracy = Object.fromEntries(
    Object.entries(outcomes).map(([name, list]) => [
      name,
      list.reduce((sum, value) => sum + value, 0) / list.length,
    ]),
  );
  return { accuracy, outcomes };
}
const show = (accuracy: Record<string, number>) =>
  Object.entries(accuracy)
    .map(([name, value]) => `${name} ${(100 * value).toFixed(1)} %`)
    .join(', ');

const sft = new SFTTrainer(model, demonstrations, {
  steps: sftSteps,
  batchSize: 32,
  maxLength: CONTEXT,
  packing: 'none',
  learningRate: 2e-3,
  warmup: 20,
  weightDecay: 0.1,
  seed,
  validation,
  validateEvery: 100,
});
if (!existsSync(start))
  for await (const event of sft.train())
    if (event.type === 'validation') log(`SFT step ${event.step}: validation loss ${event.loss.toFixed(4)}`);
if (start && !existsSync(start)) await model.save(start);
const afterSft = await evaluate(model);
log(`SFT: ${show(afterSft.accuracy)}`);
const report: Record<string, unknown> = {
  seed,
  backend: compute.backend,
  parameters: model.parameterCount,
  demonstrations: demonstrations.length,
  questions: questions.length,
  sft: afterSft.accuracy,
};
const outcomes: Record<string, Record<string, number[]>> = { sft: afterSft.outcomes };

if (only.includes('improve')) {
  using student = copyModel(model);
  const from = performance.now();
  const improvement = new SelfImprovement({
    model: student,
    questions: questions.map((sum) => ({ question: promptOf(sum), answer: String(sum.a + sum.b) })),
    formats: [{ name: 'columns', prompt: (text) => text, completion: (path) => path }],
    rounds,
    paths: 8,
    temperatures: [0.7, 1],
    keep: 3,
    minimumShare: 0.6,
    maxTokens: MAX_TOKENS,
    seed,
    training: {
      epochs: 3,
      batchSize: 32,
      maxLength: CONTEXT,
      packing: 'none',
      learningRate: 6e-5,
      warmup: 15,
      weightDecay: 0,
    },
  });
  const history = [];
  for await (const event of improvement.run()) {
    if (event.type !== 'round') continue;
    const { accuracy } = await evaluate(student, 100);
    history.push({
      round: event.round,
      heldOutBefore: accuracy,
      voteMargin: event.voteMargin,
      voteAccuracy: event.voteAccuracy,
      kept: event.questionsKept,
      examples: event.examples,
    });
    log(
      `round ${event.round}: margin ${event.voteMargin.toFixed(3)}, vote right ${event.voteAccuracy?.toFixed(3)}, kept ${event.questionsKept}; before: ${show(accuracy)}`,
    );
  }
  const result = await evaluate(student);
  log(`self-improvement: ${show(result.accuracy)}`);
  report.selfImprovement = { ...result.accuracy, seconds: (performance.now() - from) / 1000, history };
  outcomes.selfImprovement = result.outcomes;
}

if (only.includes('grpo')) {
  using student = copyModel(model);
  const from = performance.now();
  const rules = new RuleBasedReward({ rules: [numericRule()] });
  const trainer = new GRPOTrainer({
    policy: student,
    prompts: questions.map((sum) => ({ prompt: promptOf(sum), record: { answer: sum.a + sum.b } })),
    reward: async (rollouts) => (await rules.scoreAll(rollouts)).map((score) => score.reward),
    iterations: grpoIterations,
    groups: 16,
    groupSize: 8,
    minibatch: 128,
    warmup: 10,
    maxTokens: MAX_TOKENS,
    learningRate: args.number('grpo-learning-rate', 4e-5),
    klCoefficient: 0,
    seed,
  });
  const curve: { iteration: number; reward: number }[] = [];
  for await (const event of trainer.train()) {
    if (event.type !== 'rollout') continue;
    curve.push({ iteration: event.iteration, reward: event.metrics.reward! });
    if (event.iteration % 10 === 0)
      log(
        `GRPO ${event.iteration}: reward ${event.metrics.reward!.toFixed(3)}, entropy ${event.metrics.entropy!.toFixed(3)}, length ${event.metrics['completions/mean_length']!.toFixed(1)}`,
      );
  }
  const result = await evaluate(student);
  log(`GRPO: ${show(result.accuracy)}`);
  report.grpo = { ...result.accuracy, seconds: (performance.now() - from) / 1000, curve };
  outcomes.grpo = result.outcomes;
}

if (out) writeFileSync(out, `${JSON.stringify({ ...report, outcomes })}\n`);

export type { Sum };
