import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AdaptiveKLController,
  dpoLoss,
  generalizedAdvantage,
  groupAdvantage,
  grpoLoss,
  klDivergence,
  klEstimate,
  ObjectiveOptionError,
  ppoLoss,
  ppoPtxLoss,
  RankingError,
  rewardModelLoss,
  sequenceLogProbs,
  tokenLogProbs,
  tokenRewards,
} from '../src/index.js';
import { whiten } from '../src/objectives/masked.js';
import { expectNumbers, expectReference, fixture, reference } from './fixture.js';

beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

const scalar = (tensor: tf.Tensor) => tensor.dataSync()[0]!;

describe('rewardModelLoss', () => {
  const ranks = () => reference('reward_model', 'ranks', 'int32');

  it('equals the reference: loss, loss per prompt, accuracy', () => {
    const result = rewardModelLoss(reference('reward_model', 'rewards'), ranks());
    expectReference(result.lossPerPrompt, 'reward_model', 'loss_per_prompt');
    expect(scalar(result.loss)).toBeCloseTo(fixture.scalars.rm.loss, 5);
    expect(scalar(result.accuracy)).toBeCloseTo(fixture.scalars.rm.pair_accuracy, 6);
  });

  it('has the reference gradient, through a linear head as well', () => {
    const gradient = tf.grad((rewards) => rewardModelLoss(rewards as tf.Tensor2D, ranks()).loss);
    expectReference(gradient(reference('reward_model', 'rewards')), 'reward_model', 'd_rewards');
    const features = reference<tf.Tensor3D>('reward_model', 'head.features');
    const through = tf.grads((w, b) => {
      const rewards = tf.add(tf.sum(tf.mul(features, w!), -1), b!);
      return rewardModelLoss(rewards as tf.Tensor2D, ranks()).loss;
    });
    const [dw, db] = through([reference<tf.Tensor1D>('reward_model', 'head.w'), tf.zeros([1])]);
    expectReference(dw!, 'reward_model', 'head.d_w');
    expect(Math.abs(scalar(db!))).toBeLessThan(1e-6);
  });

  it('drops ties and padding, and leaves out a prompt with no pair', () => {
    const rewards = tf.tensor2d([
      [1, 0, 9],
      [3, 3, 3],
    ]);
    const one = rewardModelLoss(
      rewards,
      tf.tensor2d(
        [
          [0, 1, -1],
          [2, 2, 2],
        ],
        [2, 3],
        'int32',
      ),
    );
    expect(scalar(one.loss)).toBeCloseTo(Math.log(1 + Math.exp(-1)), 6); // only the pair 1 over 0 counts
    expect(scalar(one.accuracy)).toBe(1);
    expect(scalar(one.margin)).toBeCloseTo(1, 6);
  });

  it('refuses shapes that are no ranking', () => {
    expect(() => rewardModelLoss(tf.zeros([2, 3]), tf.zeros([2, 2], 'int32'))).toThrow(RankingError);
    expect(() => rewardModelLoss(tf.zeros([2, 1]), tf.zeros([2, 1], 'int32'))).toThrow(/at least two/);
  });

  it('does not change when a constant is added to all rewards of a prompt', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -5, max: 5, noNaN: true }), { minLength: 4, maxLength: 4 }),
        fc.float({ min: -3, max: 3, noNaN: true }),
        (rewards, shift) => {
          const order = tf.tensor2d([[0, 1, 2, 3]], [1, 4], 'int32');
          const plain = scalar(rewardModelLoss(tf.tensor2d([rewards]), order).loss);
          const shifted = scalar(rewardModelLoss(tf.tensor2d([rewards.map((r) => r + shift)]), order).loss);
          expect(Math.abs(plain - shifted)).toBeLessThan(1e-4);
        },
      ),
      { numRuns: 50, seed: 1 },
    );
  });
});

describe('token rewards and generalised advantages', () => {
  const mask = () => reference('gae', 'mask');

  it('rewards are −β KL per token and the score on the last real token', () => {
    const rewards = tokenRewards(
      {
        logProbs: reference('gae', 'logprobs_old'),
        referenceLogProbs: reference('gae', 'ref_logprobs'),
        scores: reference<tf.Tensor1D>('gae', 'scores'),
        mask: mask(),
      },
      { klCoefficient: fixture.scalars.config.kl_beta },
    );
    expectReference(tf.mul(rewards, mask()), 'gae', 'rewards');
  });

  it.each([
    [1, 0.95],
    [0.99, 0.9],
    [1, 1],
    [1, 0],
  ])('equals the reference for γ = %s, λ = %s', (gamma, lambda) => {
    const result = generalizedAdvantage(
      { rewards: reference('gae', 'rewards'), values: reference('gae', 'values_old'), mask: mask() },
      { gamma, lambda },
    );
    expectReference(result.advantages, 'gae', `g${gamma}_l${lambda}.advantages`);
    expectReference(result.returns, 'gae', `g${gamma}_l${lambda}.returns`);
  });

  it('whitens over the unmasked tokens', () => {
    const input = {
      rewards: reference('gae', 'rewards'),
      values: reference('gae', 'values_old'),
      mask: mask(),
    };
    const { advantages } = generalizedAdvantage(input, { whiten: true });
    expectReference(advantages, 'gae', 'advantages_whitened');
    expectNumbers(
      whiten(generalizedAdvantage(input).advantages, mask()).dataSync(),
      advantages.dataSync(),
      1e-6,
      'whiten',
    );
  });
});

describe('ppoLoss', () => {
  const input = () => ({
    logProbs: reference('ppo', 'logprobs'),
    oldLogProbs: reference('ppo', 'logprobs_old'),
    advantages: reference('ppo', 'advantages'),
    mask: reference('ppo', 'mask'),
    values: reference('ppo', 'values'),
    oldValues: reference('ppo', 'values_old'),
    returns: reference('ppo', 'returns'),
  });

  it('equals the reference: losses, clip fractions, KL, ratio', () => {
    const result = ppoLoss(input());
    const expected = fixture.scalars.ppo;
    expectNumbers(
      [
        scalar(result.policyLoss),
        scalar(result.valueLoss),
        scalar(result.loss),
        scalar(result.clipFraction),
        scalar(result.valueClipFraction),
        scalar(result.approxKL),
        scalar(result.ratio),
      ],
      [
        expected.policy_loss,
        expected.value_loss,
        expected['total_vf0.1'],
        expected.clipfrac,
        expected.value_clipfrac,
        expected.approx_kl_half_sq,
        expected.ratio_mean,
      ],
      1e-5,
      'ppo',
    );
    const ptx = fixture.scalars.ppo_ptx;
    expect(scalar(ppoPtxLoss(result.policyLoss, tf.scalar(ptx.lm_loss), ptx.gamma))).toBeCloseTo(ptx.loss, 3);
  });

  it('has the reference gradients', () => {
    const policy = tf.grad(
      (logProbs) => ppoLoss({ ...input(), logProbs: logProbs as tf.Tensor2D }).policyLoss,
    );
    expectReference(policy(reference('ppo', 'logprobs')), 'ppo', 'd_logprobs');
    const value = tf.grad((values) => ppoLoss({ ...input(), values: values as tf.Tensor2D }).valueLoss);
    expectReference(value(reference('ppo', 'values')), 'ppo', 'd_values');
  });

  it('goes from logits, with an entropy bonus, to the reference gradient', () => {
    const tokens = reference('ppo_logits', 'tokens', 'int32');
    const loss = (logits: tf.Tensor) =>
      ppoLoss(
        {
          logProbs: tokenLogProbs(logits, tokens) as tf.Tensor2D,
          oldLogProbs: reference('ppo_logits', 'logprobs_old'),
          advantages: reference('ppo_logits', 'advantages'),
          mask: reference('ppo_logits', 'mask'),
          logits: logits as tf.Tensor3D,
        },
        { entropyCoefficient: fixture.scalars.ppo_logits.entropy_coef },
      );
    const logits = reference<tf.Tensor3D>('ppo_logits', 'logits');
    expect(scalar(loss(logits).loss)).toBeCloseTo(fixture.scalars.ppo_logits.loss, 5);
    expect(scalar(loss(logits).entropy)).toBeCloseTo(fixture.scalars.ppo_logits.entropy, 5);
    expectReference(tf.grad((x) => loss(x).loss)(logits), 'ppo_logits', 'd_logits');
  });

  it('stays finite when padding holds extreme log-probabilities', () => {
    const mask = tf.tensor2d([[1, 0]]);
    const zeros = tf.zeros<tf.Rank.R2>([1, 2]);
    const loss = tf.grad(
      (logProbs) =>
        ppoLoss({ logProbs: logProbs as tf.Tensor2D, oldLogProbs: zeros, advantages: tf.ones([1, 2]), mask })
          .loss,
    )(tf.tensor2d([[0, 500]]));
    expect([...loss.dataSync()].every(Number.isFinite)).toBe(true);
  });
});

describe('KL', () => {
  it.each(['k1', 'k2', 'k3'] as const)('%s equals the reference', (estimator) => {
    const estimate = klEstimate(reference('kl', 'logprobs'), reference('kl', 'ref_logprobs'), estimator);
    expectReference(estimate, 'kl', estimator);
  });

  it('the exact divergence and token log-probabilities equal the reference', () => {
    const logits = reference('kl', 'logits');
    expectReference(klDivergence(logits, reference('kl', 'ref_logits')), 'kl', 'kl_exact');
    expectReference(tokenLogProbs(logits, reference('kl', 'tokens', 'int32')), 'kl', 'logprobs');
  });

  it('the adaptive controller follows the reference step by step', () => {
    const { init, target, horizon, n_steps, steps } = fixture.scalars.adaptive_kl;
    const controller = new AdaptiveKLController({ initial: init, target, horizon });
    for (const { current_kl, coef_after } of steps) {
      controller.update(current_kl, n_steps);
      expect(controller.coefficient).toBeCloseTo(coef_after, 9);
    }
    expect(() => controller.update(Number.NaN, 1)).toThrow(ObjectiveOptionError);
    expect(() => new AdaptiveKLController({ target: 0 })).toThrow(/target is 0/);
  });
});

describe('dpoLoss', () => {
  const log = (name: string) => reference<tf.Tensor1D>('dpo', name);
  const input = () => ({
    policyChosen: log('policy_chosen'),
    policyRejected: log('policy_rejected'),
    referenceChosen: log('ref_chosen'),
    referenceRejected: log('ref_rejected'),
  });

  it.each([
    ['sigmoid', {}],
    ['label_smoothing_0.1', { labelSmoothing: 0.1 }],
    ['ipo', { variant: 'ipo' }],
    ['hinge', { variant: 'hinge' }],
  ] as const)('%s equals the reference, gradients included', (name, options) => {
    const { loss, lossPerPair } = dpoLoss(input(), options);
    expectReference(lossPerPair, 'dpo', `${name}.loss_per_pair`);
    expectNumbers([scalar(loss)], [fixture.scalars.dpo[name]], 1e-5, name);
    const gradients = tf.grads((policyChosen, policyRejected) => {
      const policy = {
        policyChosen: policyChosen as tf.Tensor1D,
        policyRejected: policyRejected as tf.Tensor1D,
      };
      return dpoLoss({ ...input(), ...policy }, options).loss;
    });
    const [dChosen, dRejected] = gradients([log('policy_chosen'), log('policy_rejected')]);
    expectReference(dChosen!, 'dpo', `${name}.d_policy_chosen`);
    expectReference(dRejected!, 'dpo', `${name}.d_policy_rejected`);
  });

  it('reports implicit rewards', () => {
    const { chosenRewards, rejectedRewards, accuracy, margin } = dpoLoss(input());
    expectReference(chosenRewards, 'dpo', 'reward_chosen');
    expectReference(rejectedRewards, 'dpo', 'reward_rejected');
    expect(scalar(accuracy)).toBeCloseTo(fixture.scalars.dpo.reward_accuracy, 6);
    expect(scalar(margin)).toBeCloseTo(fixture.scalars.dpo.reward_margin, 5);
  });

  it('is ln 2 where policy and reference agree', () => {
    const same = tf.tensor1d([-3, -7]);
    const input = {
      policyChosen: same,
      policyRejected: same,
      referenceChosen: same,
      referenceRejected: same,
    };
    expect(scalar(dpoLoss(input).loss)).toBeCloseTo(Math.LN2, 6);
  });

  it('goes from logits to the reference loss and gradient', () => {
    const labels = reference('dpo_logits', 'labels', 'int32');
    const reference_ = sequenceLogProbs(reference('dpo_logits', 'ref_logits') as never, labels);
    expectReference(reference_, 'dpo_logits', 'ref_logps');
    const loss = (logits: tf.Tensor) => {
      const policy = sequenceLogProbs(logits as tf.Tensor3D, labels); // rows: all chosen, then all rejected
      const half = policy.shape[0] / 2;
      return dpoLoss({
        policyChosen: tf.slice(policy, 0, half),
        policyRejected: tf.slice(policy, half, half),
        referenceChosen: tf.slice(reference_, 0, half),
        referenceRejected: tf.slice(reference_, half, half),
      }).loss;
    };
    const logits = reference<tf.Tensor3D>('dpo_logits', 'logits');
    expectReference(sequenceLogProbs(logits, labels), 'dpo_logits', 'policy_logps');
    expect(scalar(loss(logits))).toBeCloseTo(fixture.scalars.dpo_logits.loss, 5);
    expectReference(tf.grad(loss)(logits), 'dpo_logits', 'd_logits');
  });

  it('refuses options that mean nothing', () => {
    expect(() => dpoLoss(input(), { beta: 0 })).toThrow(/beta is 0/);
    expect(() => dpoLoss(input(), { labelSmoothing: 0.5 })).toThrow(ObjectiveOptionError);
    expect(() => dpoLoss(input(), { labelSmoothing: 0.1, variant: 'ipo' })).toThrow(/sigmoid/);
    expect(() => dpoLoss(input(), { variant: 'kto' as never })).toThrow(/variant is kto/);
  });
});

describe('GRPO', () => {
  it.each([
    ['adv_std_ddof0_eps1e-8', { normalisation: 'population-std', epsilon: 1e-8 }],
    ['adv_std_ddof1_eps1e-4', {}],
    ['adv_mean_only', { normalisation: 'none' }],
    ['rloo', { normalisation: 'leave-one-out' }],
  ] as const)('%s equals the reference', (name, options) => {
    expectReference(groupAdvantage(reference('grpo', 'rewards'), options), 'grpo', name, 2e-5);
  });

  it.each([
    ['seq_mean', 'sequence'],
    ['token_mean', 'token'],
  ] as const)('%s loss and gradient equal the reference', (name, average) => {
    const loss = (logProbs: tf.Tensor) =>
      grpoLoss(
        {
          logProbs: logProbs as tf.Tensor2D,
          oldLogProbs: reference('grpo', 'logprobs_old'),
          referenceLogProbs: reference('grpo', 'ref_logprobs'),
          advantages: reference<tf.Tensor1D>('grpo', 'advantages_used'),
          mask: reference('grpo', 'mask'),
        },
        { average },
      ).loss;
    const logProbs = reference('grpo', 'logprobs');
    expect(scalar(loss(logProbs))).toBeCloseTo(fixture.scalars.grpo[`${name}_loss`], 5);
    expectReference(tf.grad(loss)(logProbs), 'grpo', `${name}.d_logprobs`);
  });

  it('a group without spread teaches nothing', () => {
    expectNumbers(groupAdvantage(tf.fill([1, 4], 3)).dataSync(), [0, 0, 0, 0], 1e-9, 'flat group');
    expect(() => groupAdvantage(tf.zeros([2, 1]))).toThrow(/at least two/);
  });
});

it('leaves no tensor behind', () => {
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    rewardModelLoss(reference('reward_model', 'rewards'), reference('reward_model', 'ranks', 'int32'));
    dpoLoss({
      policyChosen: tf.zeros([2]),
      policyRejected: tf.zeros([2]),
      referenceChosen: tf.zeros([2]),
      referenceRejected: tf.zeros([2]),
    });
  });
  expect(tf.memory().numTensors).toBe(before);
  const { loss, ...rest } = grpoLoss({
    logProbs: tf.zeros([2, 3]),
    oldLogProbs: tf.zeros([2, 3]),
    advantages: tf.zeros([2]),
    mask: tf.ones([2, 3]),
  });
  tf.dispose([loss, ...Object.values(rest)]);
  expect(tf.memory().numTensors).toBe(before + 4); // the four inputs
});
