import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { dpoLoss, ppoLoss } from '../src/index.js';
import { seededRandom } from '../src/trainers/seeded-order.js';

/**
 * Two arms with rewards 1 and 0 and a reference that prefers the second: the KL-regularised optimum is
 * π(a) ∝ π_ref(a) · exp(r(a) / β).
 */
const BETA = 0.5;
const REFERENCE = [0.3, 0.7];
const REWARDS = [1, 0];
const weights = REFERENCE.map((p, arm) => p * Math.exp(REWARDS[arm]! / BETA));
const optimum = weights[0]! / (weights[0]! + weights[1]!);

const probability = (logits: tf.Variable) => tf.tidy(() => tf.softmax(logits as tf.Tensor1D).dataSync()[0]!);

it('PPO converges to the KL-regularised optimum', () => {
  const logits = tf.variable(tf.tensor1d(REFERENCE.map(Math.log)));
  const random = seededRandom(3);
  const batch = 512;
  for (let iteration = 0; iteration < 400; iteration++) {
    const p = probability(logits);
    const policy = [p, 1 - p];
    const arms = Array.from({ length: batch }, () => (random() < p ? 0 : 1));
    // One token per episode: reward minus the per-token KL penalty, advantages centred.
    const rewards = arms.map((arm) => REWARDS[arm]! - BETA * Math.log(policy[arm]! / REFERENCE[arm]!));
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / batch;
    const rate = 0.6 / (1 + iteration / 60);
    const { grads } = tf.variableGrads(() => {
      const logProbs = tf.sum(
        tf.mul(tf.oneHot(tf.tensor1d(arms, 'int32'), 2), tf.logSoftmax(logits as tf.Tensor1D)),
        1,
      );
      return ppoLoss({
        logProbs: tf.reshape(logProbs, [batch, 1]) as tf.Tensor2D,
        oldLogProbs: tf.tensor2d(arms.map((arm) => [Math.log(policy[arm]!)])),
        advantages: tf.tensor2d(rewards.map((reward) => [reward - mean])),
        mask: tf.ones([batch, 1]),
      }).policyLoss;
    }, [logits]);
    tf.tidy(() => logits.assign(tf.sub(logits, tf.mul(grads[logits.name]!, rate))));
    tf.dispose(grads);
  }
  expect(Math.abs(probability(logits) - optimum)).toBeLessThan(0.02);
  logits.dispose();
});

it('DPO converges to the same optimum', () => {
  const logits = tf.variable(tf.tensor1d(REFERENCE.map(Math.log)));
  // Preferences as a Bradley–Terry labeller gives them, in their expected proportion: with z = log-ratio difference,
  // the expected loss is smallest where σ(βz) equals that proportion.
  const preferFirst = 1 / (1 + Math.exp(-(REWARDS[0]! - REWARDS[1]!)));
  const [first, second] = REFERENCE.map(Math.log);
  for (let step = 0; step < 1500; step++) {
    const { grads } = tf.variableGrads(() => {
      const logProbs = tf.logSoftmax(logits as tf.Tensor1D);
      const [a, b] = [tf.slice(logProbs, 0, 1), tf.slice(logProbs, 1, 1)] as [tf.Tensor1D, tf.Tensor1D];
      const [ra, rb] = [tf.tensor1d([first!]), tf.tensor1d([second!])];
      const forward = dpoLoss(
        { policyChosen: a, policyRejected: b, referenceChosen: ra, referenceRejected: rb },
        { beta: BETA },
      );
      const backward = dpoLoss(
        { policyChosen: b, policyRejected: a, referenceChosen: rb, referenceRejected: ra },
        { beta: BETA },
      );
      return tf.add(tf.mul(forward.loss, preferFirst), tf.mul(backward.loss, 1 - preferFirst)) as tf.Scalar;
    }, [logits]);
    tf.tidy(() => logits.assign(tf.sub(logits, tf.mul(grads[logits.name]!, 1))));
    tf.dispose(grads);
  }
  expect(Math.abs(probability(logits) - optimum)).toBeLessThan(0.02);
  logits.dispose();
});
