import { GPT } from '@gpt-lineage/gpt-core';
import {
  copyModel,
  customRule,
  lengthRule,
  PPOTrainer,
  RewardTrainer,
  type Rule,
  RuleBasedReward,
  regexRule,
  repetitionRule,
  ScalarHeadModel,
  SelfImprovement,
} from '@gpt-lineage/trainer-rlhf';
import type { AlignmentSpec, JobEvent } from './job-specs.js';

type Kind<Name> = Extract<AlignmentSpec, { kind: Name }>;

/** Trains a reward model, a policy by PPO, or a model on its own majority answers; policies are left in `out`. */
export async function* alignmentJob(
  spec: AlignmentSpec,
  base: string,
  out: string,
  signal: AbortSignal,
): AsyncGenerator<JobEvent> {
  using model = await GPT.load(base);
  if (spec.kind === 'reward') yield* rewardModel(spec, model, signal);
  else {
    if (spec.kind === 'ppo') yield* policy(spec, model, signal);
    else yield* improvement(spec, model, signal);
    await model.save(out);
    yield { type: 'saved', path: out };
  }
  yield { type: 'end', reason: signal.aborted ? 'aborted' : 'completed' };
}

async function* rewardModel(spec: Kind<'reward'>, base: GPT, signal: AbortSignal): AsyncGenerator<JobEvent> {
  using model = ScalarHeadModel.create(base);
  const rankings = spec.rankings.map(({ prompt, completions, ranks }) => ({
    prompt,
    completions,
    ...(ranks ? { ranks } : {}),
  }));
  const trainer = new RewardTrainer(model, rankings, {
    epochs: spec.epochs ?? 10,
    batchSize: Math.min(spec.batchSize ?? 8, rankings.length),
    learningRate: spec.learningRate ?? 1e-4,
    seed: spec.seed ?? 0,
    signal,
  });
  const rewards = async (step: number): Promise<JobEvent> => {
    const pairs = rankings.flatMap(({ prompt, completions }) =>
      completions.map((completion) => ({ prompt, completion })),
    );
    const flat = [...(await trainer.rewards(pairs))];
    const nested = rankings.map(({ completions }) => flat.splice(0, completions.length));
    const { accuracy } = await trainer.evaluate(rankings);
    return { type: 'rewards', step, rewards: nested, accuracy };
  };
  yield rewards(0);
  for await (const event of trainer.train()) {
    if (event.type === 'step' && event.step % 5 === 0) yield rewards(event.step);
    if (event.type === 'end') yield rewards(event.step);
    else yield { ...event };
  }
}

async function* policy(spec: Kind<'ppo'>, model: GPT, signal: AbortSignal): AsyncGenerator<JobEvent> {
  using reference = copyModel(model);
  using value = ScalarHeadModel.create(reference);
  const rules = new RuleBasedReward({
    rules: spec.rules.map((rule, at) => ({ rule: ruleOf(rule, at), weight: rule.weight ?? 1 })),
  });
  const trainer = new PPOTrainer({
    policy: model,
    reference,
    value,
    prompts: spec.prompts.map((prompt) => ({ prompt })),
    reward: async (rollouts) => (await rules.scoreAll(rollouts)).map(({ reward }) => reward),
    iterations: spec.iterations ?? 20,
    episodes: spec.episodes ?? 16,
    maxTokens: spec.maxTokens ?? 32,
    learningRate: spec.learningRate ?? 3e-4,
    kl: spec.kl ?? 0.02,
    innerEpochs: 2,
    warmup: 0,
    whitenAdvantages: true,
    seed: spec.seed ?? 0,
    signal,
  });
  for await (const event of trainer.train()) if (event.type !== 'end') yield { ...event };
}

async function* improvement(
  spec: Kind<'improve'>,
  model: GPT,
  signal: AbortSignal,
): AsyncGenerator<JobEvent> {
  const questions = spec.questions.map(({ question, answer }) => ({ question, answer }));
  const [stop] = spec.stop ?? [];
  const trainer = new SelfImprovement({
    model,
    questions,
    heldOut: questions,
    formats: [
      { name: 'direct', prompt: (question) => question, completion: (_, answer) => `${answer}${stop ?? ''}` },
    ],
    rounds: spec.rounds ?? 3,
    paths: spec.paths ?? 8,
    maxTokens: spec.maxTokens ?? 16,
    ...(spec.stop ? { stop: spec.stop } : {}),
    minimumShare: 0.4,
    training: { epochs: 4, batchSize: 12, learningRate: spec.learningRate ?? 1e-3, packing: 'none' },
    seed: spec.seed ?? 0,
    signal,
  });
  for await (const event of trainer.run()) yield { ...event };
}

function ruleOf(spec: Kind<'ppo'>['rules'][number], index: number): Rule {
  const name = `${index + 1}: ${spec.kind}`;
  const pattern = () => new RegExp(spec.pattern ?? '', 'iu');
  switch (spec.kind) {
    case 'contains':
      return regexRule(pattern(), { name });
    case 'forbids':
      return regexRule(pattern(), { name, forbid: true });
    case 'length':
      return lengthRule({ name, min: spec.min ?? 0, max: spec.max ?? 1000, slack: 20 });
    case 'repetition':
      return repetitionRule({ name, n: 2 });
    case 'question':
      return customRule(name, ({ completion }) => Math.min(1, (completion.match(/[?!]/g)?.length ?? 0) / 2));
  }
}
