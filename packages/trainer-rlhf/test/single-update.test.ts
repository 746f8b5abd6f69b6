import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GPT, initCompute } from '@gpt-lineage/gpt-core';
import { RunDirectory } from '@gpt-lineage/gpt-core/node';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  AdaptiveKLController,
  copyModel,
  PPOTrainer,
  type PPOTrainerOptions,
  type RewardFunction,
  type RolloutEvent,
  ScalarHeadModel,
  type UpdateEvent,
} from '../src/index.js';
import { isSingleUpdate } from '../src/trainers/ppo-single-update.js';
import { collect, losses, tinyModel } from './tiny-model.js';

/** What the trainer is told; `null` leaves it to the options. */
const told = vi.hoisted(() => ({ single: null as boolean | null }));
vi.mock('../src/trainers/ppo-single-update.js', async (original) => {
  const { isSingleUpdate: decide } = await original<typeof import('../src/trainers/ppo-single-update.js')>();
  return { isSingleUpdate: (...of: Parameters<typeof decide>) => told.single ?? decide(...of) };
});

const folder = mkdtempSync(join(tmpdir(), 'gpt-rlhf-single-'));
beforeAll(() => initCompute());
afterEach(() => {
  told.single = null;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Of different lengths, so that completions begin in different columns.
const prompts = ['b', 'cd', 'efg', 'hijk'].map((prompt) => ({ prompt }));
const likesA: RewardFunction = async (list) =>
  list.map(({ completion }) => [...completion].filter((letter) => letter === 'a').length);

interface Models {
  readonly policy: GPT;
  readonly reference: GPT;
  readonly value: ScalarHeadModel;
}

async function run(extra: Partial<PPOTrainerOptions>, models: (base: GPT) => GPT = copyModel) {
  using base = tinyModel();
  using policy = models(base);
  using reference = copyModel(policy);
  using value = ScalarHeadModel.create(policy);
  const parts: Models = { policy, reference, value };
  const common = { prompts, reward: likesA, iterations: 4, episodes: 8, maxTokens: 5, learningRate: 1e-3 };
  const events = await collect(new PPOTrainer({ ...parts, ...common, ...extra }).train());
  const weights = await policy.variables.get('transformer.wte.weight')!.data();
  return {
    losses: losses(events),
    norms: events.flatMap((event) => (event.type === 'step' ? [event.gradientNorm] : [])),
    order: events.map((event) => event.type),
    rollouts: events.filter((event) => event.type === 'rollout') as RolloutEvent[],
    updates: events.filter((event) => event.type === 'update') as UpdateEvent[],
    weights: [...weights],
  };
}

function expectClose(actual: Readonly<Record<string, number>>, expected: Readonly<Record<string, number>>) {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    // Two passes of the same model differ by rounding, which counts as clipped or not.
    if (name === 'val/clipfrac_avg') continue;
    expect(Math.abs(actual[name]! - value), name).toBeLessThan(2e-5 * Math.max(1, Math.abs(value)));
  }
}

describe('an iteration of one update measures its completions itself', () => {
  it.each<[string, Partial<PPOTrainerOptions>]>([
    ['defaults', {}],
    ['another temperature and estimator', { temperature: 0.7, klEstimator: 'k3', kl: 0.3 }],
    ['an adaptive controller', { kl: new AdaptiveKLController({ initial: 0.3, target: 0.01, horizon: 20 }) }],
    ['discounted, not whitened', { gamma: 0.9, lambda: 0.8, whitenAdvantages: false }],
    ['a penalty for missing ends', { missingEndPenalty: 0.5, ratioThreshold: 2, valueCoefficient: 0.5 }],
    ['op by op', { execution: 'eager', iterations: 2 }],
  ])('and trains as if they had been measured before: %s', async (_, options) => {
    const fresh = () =>
      options.kl instanceof AdaptiveKLController
        ? { ...options, kl: new AdaptiveKLController({ initial: 0.3, target: 0.01, horizon: 20 }) }
        : options;
    told.single = false;
    const before = await run(fresh());
    told.single = null;
    const single = await run(fresh());
    expect(single.order).toEqual(before.order);
    expect(single.losses).toHaveLength(before.losses.length);
    before.losses.forEach((loss, step) => {
      expect(Math.abs(single.losses[step]! - loss)).toBeLessThan(1e-5);
      expect(single.norms[step]! / before.norms[step]!).toBeCloseTo(1, 4);
    });
    before.rollouts.forEach((event, at) => {
      const { metrics, ...rest } = single.rollouts[at]!;
      const { metrics: expected, ...others } = event;
      expectClose(metrics, expected);
      expect(rest).toEqual(others);
    });
    before.updates.forEach((event, at) => {
      expectClose(single.updates[at]!.metrics, event.metrics);
    });
    expect(before.rollouts.at(-1)!.metrics['objective/kl']).not.toBe(0);
  });

  it('goes on exactly when it is resumed', async () => {
    const kl = () => new AdaptiveKLController({ initial: 0.3, target: 0.01, horizon: 20 });
    const whole = await run({ kl: kl() });
    const checkpoints = new RunDirectory(join(folder, 'resumed'));
    await checkpoints.open();
    const controller = new AbortController();
    let calls = 0;
    const stopping: RewardFunction = async (list) => {
      calls += 1;
      if (calls === 2) controller.abort();
      return likesA(list);
    };
    const first = await run({ kl: kl(), checkpoints, reward: stopping, signal: controller.signal });
    expect(first.losses).toEqual(whole.losses.slice(0, 2));
    const rest = await run({ kl: kl(), checkpoints, resume: true });
    expect(rest.losses).toEqual(whole.losses.slice(2));
    expect(rest.rollouts.map(({ metrics }) => metrics)).toEqual(
      whole.rollouts.slice(2).map(({ metrics }) => metrics),
    );
    expect(rest.weights).toEqual(whole.weights);
  });

  it('measures first where an episode was skipped: the others stand in for it, but count once', async () => {
    const options = {
      onRewardFailure: 'skip' as const,
      reward: async (list: Parameters<RewardFunction>[0]) =>
        (await likesA(list)).map((score, at) => (at === 2 ? Number.NaN : score)),
    };
    told.single = false;
    const before = await run(options);
    told.single = null;
    const single = await run(options);
    expect(single.losses).toEqual(before.losses);
    expect(single.rollouts[0]!.skipped).toBe(1);
  });

  it('leaves no tensor behind', async () => {
    await run({});
    const { numTensors } = tf.memory();
    await run({});
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});

describe('isSingleUpdate', () => {
  const decide = (extra: Partial<PPOTrainerOptions>, models: Models, length = 8) =>
    isSingleUpdate(
      { prompts, reward: likesA, iterations: 1, maxTokens: 4, ...models, ...extra },
      { length, first: 1 },
    );

  it('holds for the defaults only where nothing is dropped, rounded or cut', () => {
    using policy = tinyModel();
    using reference = copyModel(policy);
    using value = ScalarHeadModel.create(policy);
    const models = { policy, reference, value };
    expect(decide({}, models)).toBe(true);
    expect(decide({ episodes: 8, minibatch: 8, microBatchSize: 8 }, models)).toBe(true);
    expect(decide({ episodes: 8, minibatch: 4 }, models)).toBe(false);
    expect(decide({ episodes: 8, microBatchSize: 4 }, models)).toBe(false);
    expect(decide({ innerEpochs: 2 }, models)).toBe(false);
    expect(decide({ episodes: 512 }, models, 4096)).toBe(false);
    expect(decide({ precision: 'bf16' }, models)).toBe(false);
    using dropping = GPT.create({ ...policy.config, residualDropout: 0.1 } as never, {
      tokenizer: policy.tokenizer!,
    });
    using dropped = ScalarHeadModel.create(dropping);
    expect(decide({}, { ...models, policy: dropping })).toBe(false);
    expect(decide({}, { ...models, value: dropped })).toBe(false);
    policy.adapters.set('transformer.h.0.attn.c_attn', { apply: (x) => tf.zerosLike(x) });
    expect(decide({}, models)).toBe(false);
  });
});
