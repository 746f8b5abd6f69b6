import * as tf from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../errors.js';
import { defineKernel, runKernel } from './kernel.js';

interface LinearAttrs {
  readonly transposeWeight: boolean;
}

type LinearInputs = { x: tf.Tensor; weight: tf.Tensor; bias?: tf.Tensor };

defineKernel<LinearInputs & Record<string, tf.Tensor>, LinearAttrs>({
  name: 'FusedLinear',
  // x [rows, in] → [rows, out]
  composite({ x, weight, bias }, { transposeWeight }) {
    const a = x as tf.Tensor2D;
    const b = weight as tf.Tensor2D;
    // wasm's fused kernel adds the bias wrongly when an operand is transposed.
    if (bias !== undefined && !transposeWeight) return tf.fused.matMul({ a, b, bias });
    const y = tf.matMul(a, b, false, transposeWeight);
    return bias === undefined ? y : tf.add(y, bias);
  },
  tensorflow(raw, { x, weight, bias }, { transposeWeight }) {
    const y = raw.one('MatMul', [x, weight], { transpose_a: false, transpose_b: transposeWeight });
    return bias === undefined ? y : raw.one('BiasAdd', [y, bias]);
  },
  gradient: {
    inputsToSave: ['x', 'weight'],
    gradFunc: (dyOrList, saved, attrs) => {
      const dy = dyOrList as tf.Tensor2D;
      const [x, weight] = saved as [tf.Tensor2D, tf.Tensor2D];
      const { transposeWeight } = attrs as unknown as LinearAttrs;
      return {
        x: () => tf.matMul(dy, weight, false, !transposeWeight),
        weight: () => (transposeWeight ? tf.matMul(dy, x, true, false) : tf.matMul(x, dy, true, false)),
        bias: () => tf.reshape(tf.matMul(tf.ones([1, dy.shape[0]]), dy), [dy.shape[1]]),
      };
    },
  },
});

export interface LinearOptions {
  /** `weight` is `[out, in]`: an embedding table used as output layer, or a PyTorch checkpoint. Default false. */
  readonly transposeWeight?: boolean;
}

/**
 * `x·weight + bias`, as one matrix product over all leading axes. (`tf.matMul` of a 3-D by a 2-D tensor repeats the
 * weight per batch row in its gradient.)
 *
 * @param x `[.., in]`, float32
 * @param weight `[in, out]`, the layout of GPT-2's `Conv1D`
 * @param bias `[out]`
 * @returns `[.., out]`
 * @throws {InvalidArgumentError} when shapes do not fit
 */
export function linear(
  x: tf.Tensor,
  weight: tf.Tensor2D | tf.Variable,
  bias?: tf.Tensor1D | tf.Variable | null,
  options: LinearOptions = {},
): tf.Tensor {
  const { transposeWeight = false } = options;
  const width = x.shape.at(-1) ?? 0;
  const [inAxis, outAxis] = transposeWeight ? [1, 0] : [0, 1];
  if (weight.rank !== 2 || weight.shape[inAxis] !== width) {
    const layout = transposeWeight ? `[out, ${width}]` : `[${width}, out]`;
    throw new InvalidArgumentError('weight', `of shape ${layout} for x [${x.shape}]`, weight);
  }
  const out = weight.shape[outAxis]!;
  if (bias && (bias.rank !== 1 || bias.shape[0] !== out)) {
    throw new InvalidArgumentError('bias', `of shape [${out}]`, bias);
  }
  return tf.tidy(() => {
    const rows = x.rank === 2 ? x : tf.reshape(x, [-1, width]);
    const inputs = { x: rows, weight: weight as tf.Tensor, bias: (bias as tf.Tensor | null) ?? undefined };
    const y = runKernel<tf.Tensor>('FusedLinear', inputs, { transposeWeight });
    return x.rank === 2 ? y : tf.reshape(y, [...x.shape.slice(0, -1), out]);
  });
}
