import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  copyModel,
  EndpointSamplerError,
  endpointSampler,
  GRPOTrainer,
  grpoLoss,
  PPOTrainer,
  RewardEnsemble,
  type RewardFunction,
  RLOOTrainer,
  type RolloutEvent,
  ScalarHeadModel,
  type UpdateEvent,
} from '../src/index.js';
import { collect, tinyModel } from './tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'gpt-rlhf-rollouts-'));
const served = {
  model: undefined as ReturnType<typeof tinyModel> | undefined,
  requests: [] as Record<string, unknown>[],
};
let server: Server;
let baseUrl = '';

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

/** `/v1/completions` as vLLM answers it: text without the end token, log-probabilities of all sampled tokens. */
beforeAll(async () => {
  served.model = tinyModel({ seed: 1 });
  server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    served.requests.push(body);
    const [prompt] = body.prompt as number[][];
    const { choices } = await served.model!.generate(prompt!, {
      n: body.n as number,
      maxTokens: body.max_tokens as number,
      temperature: body.temperature as number,
      seed: body.seed as number,
    });
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        choices: choices.map((choice, index) => ({
          index,
          text: choice.text.replace(/\.$/, ''),
          finish_reason: choice.finishReason === 'length' ? 'length' : 'stop',
          logprobs: { token_logprobs: choice.logProbs },
        })),
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  served.model?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const likesA: RewardFunction = async (list) => list.map(({ completion }) => Number(completion.includes('a')));
const rolloutsOf = (events: readonly { type: string }[]) =>
  events.filter((event) => event.type === 'rollout') as RolloutEvent[];
const updatesOf = (events: readonly { type: string }[]) =>
  events.filter((event) => event.type === 'update') as UpdateEvent[];
const prompts = ['b', 'c'].map((prompt) => ({ prompt }));

describe('endpointSampler', () => {
  it('samples over HTTP; the policy gives the tokens what the server reported', async () => {
    using policy = copyModel(served.model!);
    const sampler = endpointSampler({
      baseUrl,
      model: 'policy',
      tokenizer: policy.tokenizer!,
      contextLength: 32,
      eosTokenId: policy.config.eosTokenId!,
    });
    const options = { groups: 2, groupSize: 3, maxTokens: 5, klCoefficient: 0, learningRate: 1e-3 };
    const trainer = new GRPOTrainer({ policy, prompts, reward: likesA, iterations: 1, sampler, ...options });
    const [rollout] = rolloutsOf(await collect(trainer.train()));
    expect(rollout!.metrics.num_tokens).toBeGreaterThan(0);
    expect(rollout!.metrics['sampling/sampling_logp_difference/max']).toBeLessThan(1e-3);
    expect(served.requests.at(-1)).toMatchObject({ n: 3, max_tokens: 5, temperature: 1, logprobs: 1 });
  });

  it('hands the weights over as a Hugging Face directory before each iteration', async () => {
    using policy = copyModel(served.model!);
    const directory = join(folder, 'handed-over');
    const seen: number[] = [];
    const handOver = {
      directory,
      reload: async (path: string, iteration: number) => {
        seen.push(iteration);
        expect(readdirSync(path)).toEqual(
          expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']),
        );
      },
    };
    const common = { baseUrl, model: 'policy', tokenizer: policy.tokenizer!, contextLength: 32 };
    const sampler = endpointSampler({ ...common, handOver });
    using value = ScalarHeadModel.create(policy);
    using reference = copyModel(policy);
    const settings = {
      policy,
      reference,
      value,
      prompts,
      reward: likesA,
      iterations: 2,
      episodes: 2,
      maxTokens: 3,
    };
    await collect(new PPOTrainer({ ...settings, sampler }).train());
    expect(seen).toEqual([0, 1]);
    const reload = async () => {
      throw new Error('no server');
    };
    const failing = endpointSampler({ ...common, handOver: { directory, reload } });
    await expect(collect(new PPOTrainer({ ...settings, sampler: failing }).train())).rejects.toThrow(
      EndpointSamplerError,
    );
  });

  it('skips and counts prompts that leave no room', async () => {
    const { tokenizer } = served.model!;
    const sampler = endpointSampler({ baseUrl, model: 'm', tokenizer: tokenizer!, contextLength: 8 });
    const sampling = { n: 2, maxTokens: 4, temperature: 1, seed: 1 };
    const { rollouts, skipped } = await sampler.sample([{ prompt: 'abcdefg' }, { prompt: 'b' }], sampling);
    expect(skipped).toBe(2);
    expect(rollouts.every(({ promptIndex }) => promptIndex === 1)).toBe(true);
  });
});

describe('update statistics', () => {
  it('come after each iteration; a first update on its own policy has ratio 1 and clips nothing', async () => {
    using policy = tinyModel();
    using reference = copyModel(policy);
    using value = ScalarHeadModel.create(policy);
    const options = {
      iterations: 2,
      episodes: 4,
      minibatch: 2,
      innerEpochs: 2,
      maxTokens: 4,
      learningRate: 1e-2,
      seed: 2,
    };
    const events = await collect(
      new PPOTrainer({
        policy,
        reference,
        value,
        prompts,
        reward: likesA,
        temperature: 0.8,
        warmup: 0,
        ...options,
      }).train(),
    );
    expect(events.map(({ type }) => type).filter((type) => type === 'rollout' || type === 'update')).toEqual([
      'rollout',
      'update',
      'rollout',
      'update',
    ]);
    // The first rollouts have no reward, hence nothing to learn from; the second ones do.
    expect(updatesOf(events)[1]!.metrics['policy/approxkl_avg']).toBeGreaterThan(0);
    expect(rolloutsOf(events)[1]!.step).toBe(5);

    using same = tinyModel();
    const single = new GRPOTrainer({
      ...{ policy: same, prompts, reward: likesA, iterations: 1, groups: 2, groupSize: 4, maxTokens: 4 },
      ...{ klCoefficient: 0, temperature: 0.8 },
    });
    const [update] = updatesOf(await collect(single.train()));
    expect(update!.metrics['val/ratio']).toBeCloseTo(1, 4); // old log-probabilities are those of the same temperature
    expect(update!.metrics['clip_ratio/region_mean']).toBe(0);
  });
});

describe('RLOOTrainer', () => {
  it('raises the reward, its KL penalty in the reward', async () => {
    using policy = tinyModel();
    using reference = copyModel(policy);
    const settings = { iterations: 20, groups: 2, groupSize: 8, maxTokens: 4, learningRate: 4e-3, seed: 1 };
    const trainer = new RLOOTrainer({ policy, reference, prompts, reward: likesA, ...settings });
    const rewards = rolloutsOf(await collect(trainer.train())).map((event) => event.metrics.reward!);
    const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
    expect(mean(rewards.slice(-4))).toBeGreaterThan(mean(rewards.slice(0, 4)) + 0.2);
    expect(() => new RLOOTrainer({ policy, prompts, reward: likesA, iterations: 1, maxTokens: 1 })).toThrow(
      /reference/,
    );
  });

  it('its loss is the mean over completions of −A Σ log p, by gradient', () => {
    const logProbs = tf.tensor2d([
      [-1, -2, -3],
      [-1, -1, 0],
    ]);
    const mask = tf.tensor2d([
      [1, 1, 1],
      [1, 1, 0],
    ]);
    const advantages = tf.tensor1d([0.5, -0.25]);
    // A tensor of its own: no gradient may reach the old probabilities.
    const old = tf.clone(logProbs);
    const gradient = tf.grad(
      (p) =>
        grpoLoss(
          { logProbs: p as tf.Tensor2D, oldLogProbs: old, advantages, mask },
          { klCoefficient: 0, average: 'sum' },
        ).loss,
    )(logProbs);
    const expected = [-0.25, -0.25, -0.25, 0.125, 0.125, 0];
    Array.from(gradient.dataSync()).forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index]!, 6);
    });
    tf.dispose([logProbs, old, mask, advantages, gradient]);
  });
});

describe('RewardEnsemble', () => {
  it('combines its members', async () => {
    using base = tinyModel();
    const members = [1, 2, 4].map((shift) => {
      const model = ScalarHeadModel.create(base);
      model.shift(shift);
      return model;
    });
    const pairs = [{ prompt: 'b?', completion: 'a' }];
    using mean = new RewardEnsemble(members);
    expect((await mean.rewards(pairs))[0]).toBeCloseTo(7 / 3, 5);
    expect((await new RewardEnsemble(members, { combine: 'minimum' }).rewards(pairs))[0]).toBeCloseTo(1, 5);
    const bound = new RewardEnsemble(members, { combine: 'lower-bound', caution: 2 });
    expect((await bound.rewards(pairs))[0]).toBeCloseTo(7 / 3 - 2 * Math.sqrt(7 / 3), 5);
    expect(() => new RewardEnsemble([])).toThrow(/at least one/);
    expect(() => new RewardEnsemble(members, { combine: 'best' as never })).toThrow(/lower-bound/);
  });
});
