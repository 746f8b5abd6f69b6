import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunDirectory } from '@gpt-lineage/gpt-core/node';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import {
  bestOfN,
  copyModel,
  DPOTrainer,
  diagnose,
  GRPOTrainer,
  PPOTrainer,
  preference,
  RewardError,
  type RewardFunction,
  RewardTrainer,
  type RolloutEvent,
  ScalarHeadModel,
  SelfImprovement,
  SequenceLengthError,
  SFTTrainer,
  sampleRollouts,
  sequenceLogProbsOf,
  TrainerDataError,
  vote,
} from '../src/index.js';
import { encodeDemonstration } from '../src/trainers/sft-trainer.js';
import { collect, losses, tinyModel } from './tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-rlhf-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const last = <T>(list: readonly T[]): T => list[list.length - 1]!;
const rollouts = (events: readonly unknown[]) =>
  (events as RolloutEvent[]).filter((event) => event.type === 'rollout');

/** Share of the letter a: a reward that a policy can raise quickly. */
const likesA: RewardFunction = async (list) =>
  list.map(
    ({ completion }) =>
      [...completion].filter((letter) => letter === 'a').length / Math.max(1, completion.length),
  );

describe('SFTTrainer', () => {
  const demonstrations = ['ab', 'cd', 'ef', 'gh'].map((pair) => ({
    prompt: `${pair[0]}?`,
    completion: pair[1]!,
  }));

  it('learns completions, and nothing of the prompts', async () => {
    using model = tinyModel();
    const trainer = new SFTTrainer(model, demonstrations, {
      epochs: 120,
      learningRate: 3e-3,
      packing: 'none',
    });
    const curve = losses(await collect(trainer.train()));
    expect(last(curve)).toBeLessThan(0.1 * curve[0]!);
    for (const { prompt, completion } of demonstrations) {
      expect((await model.generate(prompt, { maxTokens: 3, temperature: 0 })).text.replace('.', '')).toBe(
        completion,
      );
    }
  });

  it('keeps the weights of the epoch that scored best', async () => {
    using model = tinyModel();
    let call = 0;
    let kept: Float32Array | undefined;
    const name = 'transformer.wte.weight';
    const trainer = new SFTTrainer(model, demonstrations, {
      epochs: 4,
      learningRate: 1e-3,
      selectBy: async (current) => {
        call += 1;
        if (call === 2) kept = (await current.variables.get(name)!.data()) as Float32Array;
        return call === 2 ? 1 : 0;
      },
    });
    const events = await collect(trainer.train());
    expect(
      events.filter((event) => event.type === 'selection').map((event) => 'isBest' in event && event.isBest),
    ).toEqual([true, true, false, false]);
    expect([...(await model.variables.get(name)!.data())]).toEqual([...kept!]);
  });

  it('names what does not fit', async () => {
    using model = tinyModel();
    const long = new SFTTrainer(model, [{ prompt: 'a'.repeat(40), completion: 'b' }]);
    await expect(collect(long.train())).rejects.toThrow(SequenceLengthError);
    expect(() => new SFTTrainer(model, [])).toThrow(TrainerDataError);
  });
});

describe('RewardTrainer', () => {
  const rankings = ['b', 'c', 'd', 'e', 'f', 'g'].map((letter) =>
    preference(`${letter}?`, `${letter}a`, `${letter}z`),
  );

  it('learns an order that holds on new prompts, and can be centred', async () => {
    using base = tinyModel();
    using reward = ScalarHeadModel.create(base);
    const heldOut = ['h', 'i', 'j'].map((letter) => preference(`${letter}?`, `${letter}a`, `${letter}z`));
    const trainer = new RewardTrainer(reward, rankings, { epochs: 20, learningRate: 3e-3, batchSize: 6 });
    expect((await trainer.evaluate(heldOut)).margin).toBe(0); // the head starts at zero
    await collect(trainer.train());
    const { accuracy, margin, pairs, calibration } = await trainer.evaluate(heldOut);
    expect({ accuracy, pairs }).toEqual({ accuracy: 1, pairs: 3 });
    expect(margin).toBeGreaterThan(1);
    expect(calibration.reduce((sum, bin) => sum + bin.count, 0)).toBe(3);
    const demonstrations = heldOut.map(({ prompt, completions }) => ({
      prompt,
      completion: completions[0]!,
    }));
    await trainer.center(demonstrations);
    const rewards = await trainer.rewards(demonstrations);
    expect(Math.abs(rewards.reduce((a, b) => a + b, 0))).toBeLessThan(1e-4);
  });

  it('takes K-way rankings with ties and of different length', async () => {
    using base = tinyModel();
    using reward = ScalarHeadModel.create(base);
    const mixed = [
      { prompt: 'x?', completions: ['a', 'b', 'c'], ranks: [0, 1, 1] },
      { prompt: 'y?', completions: ['a', 'c'] },
    ];
    const trainer = new RewardTrainer(reward, mixed, { epochs: 30, learningRate: 3e-3, batchSize: 2 });
    const curve = losses(await collect(trainer.train()));
    expect(curve[0]).toBeCloseTo(Math.LN2, 5);
    expect(last(curve)).toBeLessThan(0.2);
    expect((await trainer.evaluate(mixed)).pairs).toBe(3);
    expect(() => new RewardTrainer(reward, [])).toThrow(TrainerDataError);
    const alone = new RewardTrainer(reward, [{ prompt: 'x', completions: ['a'] }]);
    await expect(collect(alone.train())).rejects.toThrow(/at least two/);
  });

  it('is saved and loaded with its head', async () => {
    using base = tinyModel();
    using reward = ScalarHeadModel.create(base);
    await collect(new RewardTrainer(reward, rankings, { epochs: 2, learningRate: 1e-2 }).train());
    const directory = join(folder, 'reward');
    await reward.save(directory);
    using loaded = await ScalarHeadModel.load(directory);
    const pairs = [{ prompt: 'b?', completion: 'ba' }];
    const score = (model: ScalarHeadModel) => new RewardTrainer(model, rankings).rewards(pairs);
    expect(await score(loaded)).toEqual(await score(reward));
    expect(loaded.pooling).toBe('last');
  });

  it.each(['mean', 'sqrt'] as const)(
    'pools over the completion where asked (%s), also once saved',
    async (pooling) => {
      using base = tinyModel();
      using reward = ScalarHeadModel.create(base, { pooling });
      const options = { epochs: 20, learningRate: 3e-3, batchSize: 6 };
      const trainer = new RewardTrainer(reward, rankings, options);
      await collect(trainer.train());
      const heldOut = ['h', 'i', 'j'].map((letter) => preference(`${letter}?`, `${letter}a`, `${letter}z`));
      expect(await trainer.evaluate(heldOut)).toMatchObject({ accuracy: 1 });
      reward.shift(0.5);

      const pair = { prompt: 'b?', completion: 'ba' };
      const { promptTokenIds, completionTokenIds } = encodeDemonstration(base, pair);
      const ids = [...promptTokenIds, ...completionTokenIds];
      const [values, whole] = tf.tidy(() => {
        const tokenIds = tf.tensor2d([ids], undefined, 'int32');
        const sequences = { tokenIds, attentionMask: tf.onesLike(tokenIds) };
        return [reward.values(sequences).arraySync()[0]!, reward.rewards(sequences).arraySync()[0]!];
      });
      const bias = reward.variables.get('scalar_head.bias')!.arraySync() as number;
      const pooled = (list: readonly number[]) =>
        bias +
        list.reduce((sum, x) => sum + x - bias, 0) /
          (pooling === 'mean' ? list.length : Math.sqrt(list.length));
      const [scored] = await trainer.rewards([pair]);
      expect(scored).toBeCloseTo(pooled(values.slice(promptTokenIds.length)), 5);
      expect(whole).toBeCloseTo(pooled(values), 5);

      const directory = join(folder, `reward-${pooling}`);
      await reward.save(directory);
      using loaded = await ScalarHeadModel.load(directory);
      using copy = reward.clone();
      for (const model of [loaded, copy]) {
        expect(model.pooling).toBe(pooling);
        expect((await new RewardTrainer(model, rankings).rewards([pair]))[0]).toBeCloseTo(scored!, 6);
      }
      using other = ScalarHeadModel.create(base);
      await expect(other.restore(directory)).rejects.toThrow(/pooling/);
      expect(() => ScalarHeadModel.create(base, { pooling: 'max' as never })).toThrow(TrainerDataError);
    },
  );

  it('adds a linear path from the tokens of the completion', async () => {
    using base = tinyModel();
    using reward = ScalarHeadModel.create(base, { tokenWeights: true });
    const tokens = new Float32Array(base.config.vocabSize);
    tokens[base.encode('a')[0]!] = 3;
    reward.setWeights({ tokens });
    const score = async (model: ScalarHeadModel) =>
      (await new RewardTrainer(model, rankings).rewards([{ prompt: 'aa', completion: 'bca' }]))[0]!;
    expect(await score(reward)).toBeCloseTo(3 / 2, 5); // four tokens with the end
    reward.setWeights({ hidden: new Array<number>(32).fill(0.1) });
    const [before, held] = [await score(reward), rankings.slice(0, 2)];
    await collect(new RewardTrainer(reward, held, { epochs: 2, learningRate: 1e-2 }).train());
    expect(await score(reward)).not.toBeCloseTo(before, 3);

    const directory = join(folder, 'reward-tokens');
    await reward.save(directory);
    using loaded = await ScalarHeadModel.load(directory);
    expect(await score(loaded)).toBeCloseTo(await score(reward), 6);
    using plain = ScalarHeadModel.create(base);
    await expect(plain.restore(directory)).rejects.toThrow(/token weights/);
    expect(() => plain.setWeights({ tokens })).toThrow(/tokenWeights: true/);
    expect(() => reward.setWeights({ hidden: [1] })).toThrow(/give 32/);
  });
});

describe('DPOTrainer', () => {
  const pairs = ['b', 'c', 'd', 'e'].map((letter) => ({ prompt: `${letter}?`, chosen: 'a', rejected: 'z' }));

  it('starts at ln 2 and moves probability to the chosen completions', async () => {
    using model = tinyModel();
    const trainer = new DPOTrainer(model, pairs, {
      epochs: 40,
      learningRate: 1e-3,
      validation: pairs,
      beta: 0.5,
    });
    const events = await collect(trainer.train());
    expect(losses(events)[0]).toBeCloseTo(Math.LN2, 4);
    const validation = events.filter((event) => event.type === 'validation');
    expect(last(validation)).toMatchObject({ metrics: { 'rewards/accuracies': 1 } });
    const [chosen, rejected] = await sequenceLogProbsOf(model, [
      encodeDemonstration(model, { prompt: 'b?', completion: 'a' }),
      encodeDemonstration(model, { prompt: 'b?', completion: 'z' }),
    ]);
    expect(chosen! - rejected!).toBeGreaterThan(2);
  });

  it('micro-batches change nothing', async () => {
    const run = async (microBatchSize: number) => {
      using model = tinyModel();
      return losses(
        await collect(
          new DPOTrainer(model, pairs, {
            epochs: 4,
            batchSize: 4,
            microBatchSize,
            learningRate: 1e-3,
          }).train(),
        ),
      );
    };
    const [whole, parts] = [await run(4), await run(3)];
    whole.forEach((loss, step) => {
      expect(parts[step]).toBeCloseTo(loss, 4);
    });
  });
});

describe('rollouts', () => {
  it('skip and count prompts that leave no room', async () => {
    using model = tinyModel();
    const { rollouts: sampled, skipped } = await sampleRollouts(
      model,
      [{ prompt: 'a'.repeat(31) }, { prompt: 'b' }],
      {
        n: 3,
        maxTokens: 4,
        temperature: 1,
        seed: 1,
      },
    );
    expect(sampled).toHaveLength(3);
    expect(skipped).toBe(3);
    expect(sampled.every((rollout) => rollout.promptIndex === 1)).toBe(true);
  });

  it('best of n takes the best, and says how far that is from the policy', async () => {
    using model = tinyModel();
    const { best, klBound } = await bestOfN(model, [{ prompt: 'a' }, { prompt: 'b' }], {
      reward: likesA,
      n: 8,
      maxTokens: 6,
    });
    const { rollouts: all } = await sampleRollouts(model, [{ prompt: 'a' }, { prompt: 'b' }], {
      n: 8,
      maxTokens: 6,
      temperature: 1,
      seed: 0,
    });
    const rewards = await likesA(all);
    for (const { rollout, reward } of best) {
      const own = all.flatMap((other, index) =>
        other.promptIndex === rollout.promptIndex ? [rewards[index]!] : [],
      );
      expect(reward).toBe(Math.max(...own));
    }
    expect(klBound).toBeCloseTo(Math.log(8) - 7 / 8, 10);
  });
});

describe('GRPOTrainer', () => {
  const prompts = ['b', 'c'].map((prompt) => ({ prompt }));

  it('raises the reward', async () => {
    using policy = tinyModel();
    const trainer = new GRPOTrainer({
      policy,
      prompts,
      reward: likesA,
      iterations: 25,
      groups: 2,
      groupSize: 8,
      maxTokens: 6,
      learningRate: 5e-3,
      klCoefficient: 0,
    });
    const rewards = rollouts(await collect(trainer.train())).map((event) => event.metrics.reward!);
    expect(rewards).toHaveLength(25);
    expect(last(rewards)).toBeGreaterThan(rewards[0]! + 0.15);
  });

  it('a resumed run goes on exactly, also in the middle of an iteration', async () => {
    const options = {
      prompts,
      reward: likesA,
      iterations: 3,
      groups: 2,
      groupSize: 4,
      minibatch: 4,
      maxTokens: 4,
      learningRate: 1e-3,
      seed: 5,
    };
    const run = async (extra: object, reference = tinyModel()) => {
      const policy = copyModel(reference);
      try {
        const trainer = new GRPOTrainer({ policy, reference, ...options, ...extra });
        return losses(await collect(trainer.train()));
      } finally {
        policy.dispose();
        reference.dispose();
      }
    };
    const whole = await run({});
    expect(whole).toHaveLength(6);
    const checkpoints = new RunDirectory(join(folder, 'grpo'));
    await checkpoints.open();
    const controller = new AbortController();
    let calls = 0;
    const stopping: RewardFunction = async (list) => {
      calls += 1;
      if (calls === 2) controller.abort(); // takes effect after the next step, in the middle of the second iteration
      return likesA(list);
    };
    const first = await run({ checkpoints, reward: stopping, signal: controller.signal }).catch(() => []);
    const rest = await run({ checkpoints, resume: true });
    expect(first.length + rest.length).toBeGreaterThanOrEqual(6 - 1);
    expect(rest).toEqual(whole.slice(6 - rest.length));
  });

  it('a reward that throws, hangs, miscounts or is NaN is a typed error, or skipped and counted', async () => {
    using policy = tinyModel();
    const base = { policy, prompts, iterations: 1, groups: 1, groupSize: 2, maxTokens: 2, klCoefficient: 0 };
    const bad: RewardFunction[] = [
      async () => {
        throw new Error('no');
      },
      () => new Promise(() => {}),
      async () => [1],
      async (list) => list.map(() => Number.NaN),
    ];
    for (const reward of bad) {
      await expect(collect(new GRPOTrainer({ ...base, reward, timeoutMs: 30 }).train())).rejects.toThrow(
        RewardError,
      );
    }
    const reward: RewardFunction = async (list) => list.map((_, index) => (index === 0 ? Number.NaN : index));
    const lenient = new GRPOTrainer({ ...base, groupSize: 4, reward, onRewardFailure: 'skip' });
    const [event] = rollouts(await collect(lenient.train()));
    expect(event!.skipped).toBe(1);
    expect(() => new GRPOTrainer({ ...base, reward, klCoefficient: 0.1 })).toThrow(/reference/);
  });
});

describe('PPOTrainer', () => {
  const prompts = ['b', 'c', 'd'].map((prompt) => ({ prompt }));

  it('raises the score, pays for KL, and reports it', async () => {
    using policy = tinyModel();
    using reference = copyModel(policy);
    using value = ScalarHeadModel.create(policy);
    const trainer = new PPOTrainer({
      policy,
      reference,
      value,
      prompts,
      reward: likesA,
      iterations: 25,
      episodes: 16,
      innerEpochs: 2,
      maxTokens: 6,
      learningRate: 4e-3,
      kl: 0.01,
    });
    const events = rollouts(await collect(trainer.train()));
    const scores = events.map((event) => event.metrics['objective/scores']!);
    expect(last(scores)).toBeGreaterThan(scores[0]! + 0.3);
    expect(events[0]!.metrics['objective/kl']).toBeCloseTo(0, 3);
    expect(last(events).metrics['objective/kl']).toBeGreaterThan(0.5);
    expect(last(events).samples[0]).toMatchObject({
      prompt: expect.any(String),
      completion: expect.any(String),
    });
  });

  it('leaves no tensor behind', async () => {
    using policy = tinyModel();
    using reference = copyModel(policy);
    using value = ScalarHeadModel.create(policy);
    const run = () =>
      collect(
        new PPOTrainer({
          policy,
          reference,
          value,
          prompts,
          reward: likesA,
          iterations: 2,
          episodes: 4,
          maxTokens: 3,
        }).train(),
      );
    await run();
    const before = tf.memory().numTensors;
    await run();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('SelfImprovement', () => {
  const question = (text: string, answer: string) => ({ question: text, answer });

  it('votes: the majority wins, its paths are kept once', () => {
    const voted = vote(
      question('q', '4'),
      ['so 4', 'so 4', 'it is 4', 'so 5', 'none'],
      (path) => path.match(/\d/u)?.[0],
    );
    expect(voted).toMatchObject({ answer: '4', share: 0.6, paths: ['so 4', 'it is 4'] });
    expect(voted.margin).toBeCloseTo(0.4, 10);
    expect(vote(question('q', '1'), ['x'], () => undefined)).toMatchObject({ answer: undefined, paths: [] });
  });

  it('trains on what the majority says, without labels, and becomes surer of it', async () => {
    using model = tinyModel();
    const facts = ['1+1=2', '2+1=3', '3+1=4', '4+1=5'].map((fact) => ({
      prompt: fact.slice(0, 4),
      completion: fact.slice(4),
    }));
    // A start that is right more often than not, and unsure.
    await collect(new SFTTrainer(model, facts, { epochs: 60, learningRate: 3e-3, packing: 'none' }).train());
    const improvement = new SelfImprovement({
      model,
      questions: facts.map(({ prompt, completion }) => question(prompt, completion)),
      heldOut: facts.map(({ prompt, completion }) => question(prompt, completion)),
      formats: [{ name: 'direct', prompt: (text) => text }],
      rounds: 2,
      paths: 12,
      temperatures: [0.7, 1],
      maxTokens: 2,
      minimumShare: 0.2,
      training: { epochs: 25, learningRate: 3e-3, packing: 'none' },
    });
    const rounds = (await collect(improvement.run())).filter((event) => event.type === 'round');
    expect(rounds).toHaveLength(2);
    expect(rounds[1]!.voteMargin).toBeGreaterThan(rounds[0]!.voteMargin);
    expect(rounds[1]!.heldOutAccuracy).toBeGreaterThanOrEqual(rounds[0]!.heldOutAccuracy!);
  });
});

describe('diagnose', () => {
  const run = (metrics: Record<string, (index: number) => number>, length = 12): RolloutEvent[] =>
    Array.from({ length }, (_, iteration) => ({
      type: 'rollout',
      iteration,
      skipped: 0,
      samples: [],
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, value(iteration)])),
    }));

  it.each([
    ['negative-kl', { 'objective/kl': () => -1 }],
    ['runaway-kl', { 'objective/kl': () => 50 }],
    ['collapsed-entropy', { 'policy/entropy_avg': (i: number) => (i === 0 ? 3 : 0.01) }],
    ['length-drift', { 'completions/mean_length': (i: number) => 5 + 10 * i }],
    ['reward-hacking', { 'objective/kl': (i: number) => 2 * i, 'objective/scores': (i: number) => i }],
    ['no-signal', { frac_reward_zero_std: () => 0.9 }],
    ['never-ends', { 'completions/clipped_ratio': () => 0.8 }],
  ])('explains %s', (sign, metrics) => {
    expect(diagnose(run(metrics)).map((finding) => finding.sign)).toContain(sign);
  });

  it('says nothing about a healthy run', () => {
    expect(
      diagnose(
        run({
          'objective/kl': (i) => 1 + 0.1 * i,
          'objective/scores': (i) => 0.1 * i,
          'policy/entropy_avg': () => 2,
        }),
      ),
    ).toEqual([]);
  });
});
