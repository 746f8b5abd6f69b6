import { CharacterTokenizer, GPT } from '@gpt-lineage/gpt-core';
import {
  copyModel,
  customRule,
  lengthRule,
  PPOTrainer,
  type Ranking,
  RewardTrainer,
  type Rule,
  RuleBasedReward,
  regexRule,
  repetitionRule,
  ScalarHeadModel,
  SelfImprovement,
  SFTTrainer,
} from '@gpt-lineage/trainer-rlhf';
import type { AlignmentSpec, LabEvent, RuleSpec } from '../lib/lab-types.js';
import type { Job } from './jobs.js';
import { loadModel, renderChat } from './model-store.js';

type Tell = (event: LabEvent) => void;

/** What this worker has learned so far. */
let rewardModel: { readonly base: string; readonly model: ScalarHeadModel } | undefined;
let aligned: { readonly base: string; readonly model: GPT } | undefined;

export async function align(spec: AlignmentSpec, tell: Tell, job: Job): Promise<void> {
  if (spec.kind === 'reward') return trainReward(spec, tell, job);
  if (spec.kind === 'ppo') return trainPolicy(spec, tell, job);
  return improve(spec, tell, job);
}

/** Whole answers of a model, to be ranked. */
export async function sampleAnswers(
  base: string,
  prompt: string,
  count: number,
  seed: number,
  maxTokens: number,
): Promise<{ prompt: string; answers: string[] }> {
  const loaded = await loadModel(base);
  const rendered = loaded.template ? renderChat(loaded, [{ role: 'user', content: prompt }]) : undefined;
  const text = rendered?.prompt ?? prompt;
  const result = await loaded.model.generate(text, {
    n: count,
    maxTokens,
    temperature: 0.9,
    seed,
    stop: rendered?.stop ?? [],
    truncatePrompt: true,
  });
  return { prompt: text, answers: result.choices.map((choice) => choice.text) };
}

async function trainReward(
  spec: Extract<AlignmentSpec, { kind: 'reward' }>,
  tell: Tell,
  job: Job,
): Promise<void> {
  const { model: base } = await loadModel(spec.base);
  rewardModel?.model.dispose();
  const model = ScalarHeadModel.create(base);
  rewardModel = { base: spec.base, model };
  const rankings: Ranking[] = spec.rankings.map((ranking) => ({ ...ranking }));
  const trainer = new RewardTrainer(model, rankings, {
    epochs: spec.epochs,
    batchSize: Math.min(8, rankings.length),
    learningRate: spec.learningRate,
    seed: spec.seed,
    signal: job.signal,
  });
  const report = async (step: number) => {
    const pairs = rankings.flatMap(({ prompt, completions }) =>
      completions.map((completion) => ({ prompt, completion })),
    );
    const flat = await trainer.rewards(pairs);
    let at = 0;
    const rewards = rankings.map(({ completions }) => completions.map(() => flat[at++]!));
    const { accuracy } = await trainer.evaluate(rankings);
    tell({ type: 'rewards', step, rewards, accuracy });
  };
  await report(0);
  for await (const event of trainer.train()) {
    tell(event);
    if (event.type === 'step' && event.step % 5 === 0) await report(event.step);
    if (event.type === 'end') await report(event.step);
    await job.breathe();
  }
}

function ruleOf(spec: RuleSpec, index: number): Rule {
  const name = `${index + 1}: ${spec.kind}`;
  switch (spec.kind) {
    case 'contains':
      return regexRule(new RegExp(spec.pattern, 'iu'), { name });
    case 'forbids':
      return regexRule(new RegExp(spec.pattern, 'iu'), { name, forbid: true });
    case 'length':
      return lengthRule({ name, min: spec.min, max: spec.max, slack: 20 });
    case 'repetition':
      return repetitionRule({ name, n: 2 });
    case 'question':
      return customRule(name, ({ completion }) => Math.min(1, (completion.match(/[?!]/g)?.length ?? 0) / 2));
  }
}

async function trainPolicy(
  spec: Extract<AlignmentSpec, { kind: 'ppo' }>,
  tell: Tell,
  job: Job,
): Promise<void> {
  const { model: base } = await loadModel(spec.base);
  aligned?.model.dispose();
  const policy = copyModel(base);
  aligned = { base: spec.base, model: policy };
  const learned =
    rewardModel?.base === spec.base && spec.rewardModelWeight > 0 ? rewardModel.model : undefined;
  const value = learned?.clone() ?? ScalarHeadModel.create(base);
  const rules =
    spec.rules.length > 0
      ? new RuleBasedReward({
          rules: spec.rules.map((rule, at) => ({ rule: ruleOf(rule, at), weight: rule.weight })),
        })
      : undefined;
  if (!rules && !learned) throw new Error('Give at least one rule, or train a reward model first.');
  const scorer = learned && new RewardTrainer(learned, [{ prompt: '?', completions: ['a', 'b'] }]);
  const trainer = new PPOTrainer({
    policy,
    reference: base,
    value,
    prompts: spec.prompts.map((prompt) => ({ prompt })),
    reward: async (rollouts) => {
      const byRule = rules ? (await rules.scoreAll(rollouts)).map(({ reward }) => reward) : [];
      const byModel = scorer ? await scorer.rewards(rollouts) : [];
      return rollouts.map((_, at) => (byRule[at] ?? 0) + spec.rewardModelWeight * (byModel[at] ?? 0));
    },
    iterations: spec.iterations,
    episodes: spec.episodes,
    maxTokens: spec.maxTokens,
    learningRate: spec.learningRate,
    kl: spec.kl,
    innerEpochs: 2,
    warmup: 0,
    whitenAdvantages: true,
    seed: spec.seed,
    signal: job.signal,
  });
  try {
    for await (const event of trainer.train()) {
      tell(event);
      await job.breathe();
    }
  } finally {
    value.dispose();
  }
}

/** Answers of the model before and after PPO, for the eye. */
export async function compareAligned(
  prompt: string,
  seed: number,
): Promise<{ before: string; after: string } | undefined> {
  if (!aligned) return undefined;
  const { model: base } = await loadModel(aligned.base);
  const options = { maxTokens: 60, temperature: 0.8, seed, truncatePrompt: true } as const;
  const [before, after] = [
    await base.generate(prompt, options),
    await aligned.model.generate(prompt, options),
  ];
  return { before: before.text, after: after.text };
}

/**
 * Self-improvement on sums. A small model first learns from a few labelled sums until it is right sometimes; then it
 * sees questions only, and learns from the answers that most of its own paths agree on.
 */
async function improve(
  spec: Extract<AlignmentSpec, { kind: 'improve' }>,
  tell: Tell,
  job: Job,
): Promise<void> {
  const questions: { question: string; answer: string }[] = [];
  for (let a = 0; a < 10; a++)
    for (let b = 0; b < 10; b++) questions.push({ question: `${a}+${b}=`, answer: String(a + b) });
  const shuffled = questions
    .map((question, index) => ({
      question,
      key: Math.imul(index * 2 + 1, 2654435761 + spec.seed * 97) >>> 0,
    }))
    .sort((a, b) => a.key - b.key)
    .map(({ question }) => question);
  const [labelled, unlabelled, heldOut] = [shuffled.slice(0, 45), shuffled.slice(45, 80), shuffled.slice(80)];
  const tokenizer = CharacterTokenizer.train('0123456789+=;');
  aligned?.model.dispose();
  const model = GPT.create(
    { vocabSize: tokenizer.vocabSize, contextLength: 16, nLayer: 2, nHead: 4, nEmbd: 64 },
    { seed: spec.seed, tokenizer },
  );
  try {
    tell({ type: 'note', text: `Learning from ${labelled.length} labelled sums` });
    const demonstrations = labelled.map(({ question, answer }) => ({
      prompt: question,
      completion: `${answer};`,
    }));
    const warm = new SFTTrainer(model, demonstrations, {
      steps: spec.warmSteps,
      batchSize: 15,
      learningRate: 3e-3,
      seed: spec.seed,
      packing: 'none',
      signal: job.signal,
    });
    for await (const event of warm.train()) {
      if (event.type === 'step') tell(event);
      await job.breathe();
    }
    tell({ type: 'note', text: `Improving on ${unlabelled.length} sums without answers` });
    const improvement = new SelfImprovement({
      model,
      questions: unlabelled,
      heldOut: [...unlabelled, ...heldOut],
      formats: [{ name: 'sum', prompt: (question) => question, completion: (_, answer) => `${answer};` }],
      rounds: spec.rounds,
      paths: spec.paths,
      maxTokens: 4,
      stop: [';'],
      minimumShare: 0.6,
      training: { epochs: 4, batchSize: 12, learningRate: 2e-4, packing: 'none' },
      seed: spec.seed,
      signal: job.signal,
    });
    for await (const event of improvement.run()) {
      if (event.type === 'round') tell(event);
      await job.breathe();
    }
    const last = await improvement.accuracy([...unlabelled, ...heldOut]);
    tell({ type: 'note', text: `Held-out accuracy after the last round: ${(100 * last).toFixed(1)} %` });
  } finally {
    model.dispose();
  }
}
