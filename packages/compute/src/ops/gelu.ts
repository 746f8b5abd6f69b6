import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';

/** `tanh` and `quick` approximate `none`, the exact Gaussian error linear unit. */
type Approximation = 'tanh' | 'none' | 'quick';

// 0.5·(1 + tanh(√(2/π)·(x + 0.044715·x³))) = sigmoid(x·(linear + cubic·x²))
const linear = 2 * Math.sqrt(2 / Math.PI);
const cubic = 0.044715 * linear;
const quick = 1.702;

/** Each variant is `x · gate(x)` with a gate between 0 and 1. */
function gateOf(x: tf.Tensor, approximate: Approximation): tf.Tensor {
  if (approximate === 'tanh') {
    return tf.sigmoid(tf.mul(x, tf.add(tf.mul(tf.square(x), cubic), linear)));
  }
  if (approximate === 'quick') return tf.sigmoid(tf.mul(x, quick));
  return tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
}

defineKernel<{ x: tf.Tensor }, { approximate: Approximation }>({
  name: 'FusedGelu',
  // → [y, gate]
  composite({ x }, { approximate }) {
    const gate = gateOf(x, approximate);
    return [tf.mul(x, gate), gate];
  },
});

defineKernel<{ dy: tf.Tensor; x: tf.Tensor; gate: tf.Tensor }, { approximate: Approximation }>({
  name: 'FusedGeluGrad',
  // dx = dy · (gate + x · gate′)
  composite({ dy, x, gate }, { approximate }) {
    if (approximate === 'none') {
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.mul(dy, tf.add(gate, tf.mul(x, density)));
    }
    const slope = approximate === 'quick' ? quick : tf.add(tf.mul(tf.square(x), 3 * cubic), linear);
    const inner = tf.mul(tf.mul(x, slope), tf.sub(1, gate));
    return tf.mul(tf.mul(dy, gate), tf.add(inner, 1));
  },
  tensorflow(raw, { dy, x, gate }, { approximate }) {
    if (approximate === 'none') {
      const density = raw.one('Mul', [
        raw.one('Exp', [raw.one('Mul', [raw.one('Square', [x]), tf.scalar(-0.5)])]),
        tf.scalar(1 / Math.sqrt(2 * Math.PI)),
      ]);
      return raw.one('Mul', [dy, raw.one('AddV2', [gate, raw.one('Mul', [x, density])])]);
    }
    // SigmoidGrad(g, d) = d·g·(1 − g) in one pass.
    const outer = raw.one('SigmoidGrad', [gate, raw.one('Mul', [dy, x])]);
    const slope =
      approximate === 'quick'
        ? tf.scalar(quick)
        : raw.one('AddV2', [
            raw.one('Mul', [raw.one('Square', [x]), tf.scalar(3 * cubic)]),
            tf.scalar(linear),
          ]);
    return raw.one('AddV2', [raw.one('Mul', [dy, gate]), raw.one('Mul', [outer, slope])]);
  },
});

function gatedUnit<T extends tf.Tensor>(x: T, approximate: Approximation): T {
  const run = tf.customGrad((...args) => {
    const [input, save] = args as unknown as [tf.Tensor, tf.GradSaveFunc];
    const [y, gate] = runKernel<tf.Tensor[]>('FusedGelu', { x: input }, { approximate });
    save([input, gate!]);
    return {
      value: y!,
      gradFunc: (dy, saved) => {
        const [xs, g] = saved as [tf.Tensor, tf.Tensor];
        return runKernel<tf.Tensor>('FusedGeluGrad', { dy, x: xs, gate: g }, { approximate });
      },
    };
  });
  return run(x) as T;
}

/**
 * Gaussian error linear unit `x·Φ(x)`. Hendrycks & Gimpel 2016, "Gaussian Error Linear Units (GELUs)".
 *
 * @param x any shape, float32
 * @param approximate `'tanh'` (default; what GPT-1, GPT-2 and GPT-3 compute, `gelu_new` in transformers) or `'none'`
 * for the exact form through the error function
 * @throws {InvalidArgumentError} for another `approximate`
 */
export function gelu<T extends tf.Tensor>(x: T, approximate: 'tanh' | 'none' = 'tanh'): T {
  if (approximate !== 'tanh' && approximate !== 'none') {
    throw new InvalidArgumentError('approximate', "'tanh' or 'none'", approximate);
  }
  return gatedUnit(x, approximate);
}

/** `x·sigmoid(1.702·x)`, the unit of CLIP. */
export function quickGelu<T extends tf.Tensor>(x: T): T {
  return gatedUnit(x, 'quick');
}
